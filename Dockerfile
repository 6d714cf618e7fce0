# The loader with dbt, for a PostgreSQL server elsewhere (PGHOST, PGPORT, …).
# Built in two stages, so that pip and its caches stay out of what runs.
FROM python:3.12-slim AS build

COPY requirements/run.txt /build/requirements/run.txt
RUN python3 -m venv /opt/gatehouse \
    && /opt/gatehouse/bin/pip install --no-cache-dir --require-hashes -r /build/requirements/run.txt

COPY pyproject.toml README.md LICENSE /build/
COPY loader /build/loader
COPY examples /build/examples
RUN /opt/gatehouse/bin/pip install --no-cache-dir --no-deps /build


FROM python:3.12-slim

# Debian's slim image has Python and what it links; the wheels bring the rest.
RUN useradd --system --uid 10001 --home-dir /var/lib/gatehouse --create-home gatehouse \
    && install -d /srv/gatehouse

COPY --from=build /opt/gatehouse /opt/gatehouse

# The dbt project. To serve another one, mount it over /srv/gatehouse. Nobody writes to it:
# what dbt makes of it is kept in the state folder, where the pages find the watch's docs.
WORKDIR /srv/gatehouse
COPY dbt_project.yml profiles.yml ./
COPY dbt_project ./dbt_project

ENV PATH=/opt/gatehouse/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LOADER_PROJECT_DIR=/srv/gatehouse \
    LOADER_STATE_DIR=/var/lib/gatehouse

# the user gatehouse, by number: a host can then see that it is not root
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

ENTRYPOINT ["loader"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
