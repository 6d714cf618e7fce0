// What a form does more than HTML: a list to pick parents from, the reader's own zone beside
// UTC, and one sending for two clicks. Without this script the form works all the same.
"use strict";

for (const form of document.querySelectorAll("form.entry")) {
  // The door judges, and shows every fault at once; the browser would show one at a time.
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    const unreadable = [...form.elements].filter((field) => field.validity?.badInput);
    unreadable.forEach(showUnreadable);
    if (unreadable.length > 0) {
      event.preventDefault();
      unreadable[0].focus();
    } else if (form.dataset.sent) {
      event.preventDefault();
    } else {
      form.dataset.sent = "yes";
      form.querySelector("button.go").setAttribute("aria-disabled", "true");
    }
  });
  form.querySelectorAll("input[data-choices]").forEach(makeCombobox);
  form.querySelectorAll(".moment").forEach(makeMoment);
  // a wheel that scrolls the page must not change a number on its way
  form.addEventListener("wheel", () => {
    if (document.activeElement.type === "number") document.activeElement.blur();
  }, { passive: true });
}

// A page that comes back from the browser's history can be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form.entry")) {
    delete form.dataset.sent;
    form.querySelector("button.go").removeAttribute("aria-disabled");
  }
});

document.getElementById("summary")?.focus();

// What the browser can't read it would send as nothing at all.
function showUnreadable(field) {
  const fault = document.getElementById(`${field.id}-fault`);
  const words = document.createElement("p");
  words.textContent = "This can't be read as it is typed: complete or correct it.";
  fault.replaceChildren(words);
  fault.hidden = false;
  field.setAttribute("aria-invalid", "true");
  field.closest(".field").classList.add("faulty");
}

// A moment: the clock time, the zone it is read in, and the same moment in the other zone.
function makeMoment(box) {
  const clock = box.querySelector("input");
  const zone = box.querySelector("select");
  const now = box.querySelector("button.now");
  const elsewhere = box.parentElement.querySelector(".elsewhere");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (own && ![...zone.options].some((option) => option.value === own)) {
    zone.add(new Option(own, own));
  }
  const clockIn = (moment, name) =>
    new Intl.DateTimeFormat("sv-SE", { timeZone: name, dateStyle: "short", timeStyle: "medium" }).format(moment);
  const momentOf = (text, name) => {
    const guess = new Date(`${text}Z`);
    if (Number.isNaN(guess.getTime())) return null;
    const shown = new Date(`${clockIn(guess, name).replace(" ", "T")}Z`);
    const moment = new Date(guess.getTime() - (shown - guess));
    return clockIn(moment, name).replace(" ", "T").startsWith(text) ? moment : null;
  };
  const tell = () => {
    const other = zone.value === "UTC" ? own : "UTC";
    const moment = other && other !== zone.value ? momentOf(clock.value, zone.value) : null;
    elsewhere.hidden = moment === null;
    if (moment !== null) elsewhere.textContent = `= ${clockIn(moment, other)} in ${other}`;
  };
  now.hidden = false;
  now.addEventListener("click", () => {
    clock.value = clockIn(new Date(), zone.value).replace(" ", "T");
    tell();
  });
  clock.addEventListener("input", tell);
  zone.addEventListener("change", tell);
  tell();
}

// A text box that searches the parent table: the pattern "editable combobox with list
// autocomplete" of the ARIA Authoring Practices. What is typed counts, picked or not.
function makeCombobox(input) {
  const picked = document.getElementById(`${input.id}-picked`);
  const list = document.createElement("ul");
  list.id = `${input.id}-list`;
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", document.querySelector(`label[for="${input.id}"]`).firstChild.textContent.trim());
  const box = document.createElement("div");
  box.className = "combo";
  input.replaceWith(box);
  box.append(input, list);
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": list.id,
  })) input.setAttribute(name, value);

  let active = -1;
  let waiting = 0;
  let asked = 0;

  const close = () => {
    asked += 1; // an answer still on its way comes too late
    clearTimeout(waiting);
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (option) => {
    input.value = option.dataset.value;
    picked.textContent = option.dataset.label;
    close();
  };
  const mark = (index) => {
    const options = list.children;
    if (options[active]) options[active].setAttribute("aria-selected", "false");
    active = (index + options.length) % options.length;
    options[active].setAttribute("aria-selected", "true");
    options[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[active].id);
  };
  const show = (choices, waits) => {
    list.replaceChildren(...choices.map((choice, index) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${index}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      Object.assign(option.dataset, choice);
      const value = document.createElement("b");
      value.textContent = choice.value;
      const label = document.createElement("span");
      label.textContent = choice.label;
      option.append(value, label);
      option.addEventListener("mousedown", (event) => event.preventDefault());
      option.addEventListener("click", () => choose(option));
      return option;
    }));
    active = -1;
    list.hidden = choices.length === 0;
    input.setAttribute("aria-expanded", String(choices.length > 0));
    input.removeAttribute("aria-activedescendant");
    const same = choices.find((choice) => choice.value === input.value.trim());
    picked.textContent = same ? same.label : waits ? "nothing found; the row would wait" : choices.length === 0 && input.value.trim() ? "nothing found" : "";
  };
  const search = async () => {
    asked += 1;
    const mine = asked;
    try {
      const answer = await fetch(`${input.dataset.choices}?q=${encodeURIComponent(input.value.trim())}`, {
        headers: { Accept: "application/json" },
      });
      const { choices, waits } = await answer.json();
      if (mine === asked) show(choices, waits);
    } catch {
      if (mine === asked) close(); // logged out or offline: it is a plain text box then
    }
  };

  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 180);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) search();
      else mark(event.key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
    } else if (event.key === "Enter" && !list.hidden && active >= 0) {
      event.preventDefault();
      choose(list.children[active]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
  input.addEventListener("blur", close);
}
