// What the pages for files do more than HTML: a place to drop the file, a bar while it is sent,
// and rows and rate while it is read. Without this script the forms work all the same.
"use strict";

const form = document.getElementById("upload");
const file = form.elements.file;
const buttons = form.querySelectorAll(".send button");
const underWay = document.getElementById("under-way");
const bar = document.getElementById("bar");
const said = document.getElementById("said");
const ASK_MS = 700;
/** How often nothing may be known of a load whose connection broke: it has hardly begun, or has not come. */
const PATIENCE = 15;

let asking = 0;
let sending = null;

form.noValidate = true; // the door says what is wrong, in one place
form.querySelectorAll(".by-script").forEach((words) => { words.hidden = false; });
document.getElementById("summary")?.focus();

const drop = form.querySelector(".drop");
for (const kind of drop === null ? [] : ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) drop?.addEventListener(kind, () => drop.classList.remove("over"));
drop?.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length > 0) file.files = event.dataTransfer.files;
});

// What is still to be said of a file's columns, while it is being said.
const needed = document.getElementById("needed");
function note() {
  const meant = new Set([...form.querySelectorAll(".mapping select")].map((list) => list.value));
  const left = [...needed.querySelectorAll("[data-column]")].filter((item) => {
    item.hidden = meant.has(item.dataset.column);
    return !item.hidden;
  });
  needed.hidden = left.length === 0;
}
if (needed !== null) form.addEventListener("change", note);

form.addEventListener("submit", (event) => {
  if (event.submitter !== null && "plain" in event.submitter.dataset) return;
  event.preventDefault();
  if (sending === null) send(event.submitter);
});
// A page that comes back from the browser's history can be sent again.
window.addEventListener("pageshow", rest);

function rest() {
  clearTimeout(asking);
  sending = null;
  buttons.forEach((button) => button.removeAttribute("aria-disabled"));
  underWay.hidden = true;
}

function tell(words, share = null) {
  said.textContent = words;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

function send(submitter) {
  const nonce = [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, "0")).join("");
  form.elements.nonce.value = nonce;
  document.getElementById("outcome").replaceChildren();
  const request = new XMLHttpRequest();
  let arrived = false;
  sending = nonce;
  buttons.forEach((button) => button.setAttribute("aria-disabled", "true"));
  underWay.hidden = false;
  tell(file ? "Sending the file …" : "The file is being read …", file ? 0 : null);
  underWay.scrollIntoView({ block: "nearest" });
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    if (file) tell(`Sending the file: ${size(loaded)} of ${size(total)}`, total > 0 ? loaded / total : null);
  });
  request.upload.addEventListener("load", () => {
    arrived = true;
    if (file) tell("The file has arrived; its rows are being read …");
    ask(nonce, null);
  });
  request.addEventListener("load", () => answered(request));
  request.addEventListener("error", () => {
    // what has arrived is loaded, whoever waits for the answer
    if (arrived) ask(nonce, PATIENCE);
    else failed("The connection broke before the whole file had arrived. Nothing was loaded: send it again.");
  });
  request.open("POST", form.action);
  const filled = new FormData(form, submitter);
  request.send(file ? filled : new URLSearchParams(filled)); // as the form itself would
}

// `left`: how often nothing may be known any more; null while the answer is still to come.
function ask(nonce, left) {
  clearTimeout(asking);
  asking = setTimeout(async () => {
    try {
      const answer = await fetch(`${form.dataset.progress}?sending=${nonce}`, { headers: { Accept: "application/json" } });
      const told = answer.ok ? await answer.json() : {};
      if (sending !== nonce) return;
      if (told.load && left !== null) location.assign(told.load);
      else if (told.rows !== undefined) show(told);
      else if (left !== null) left -= 1;
    } catch {
      if (left !== null) left -= 1;
    }
    if (sending !== nonce) return;
    if (left !== null && left < 0) {
      failed("The connection broke, and no load of this file is known. Look at the list of loads, then send it again.");
    } else {
      ask(nonce, left);
    }
  }, ASK_MS);
}

function show({ rows, rows_per_second: rate, share }) {
  const words = `${rows.toLocaleString("en")} rows read, ${rate.toLocaleString("en")} a second`;
  tell(share !== null && share >= 1 ? `${words}; they are being judged and stored …` : words, share);
}

function answered(request) {
  // an address that is not the form's own is another page, or this one with the file read in another way
  if (request.status < 400 && request.responseURL !== form.action) {
    location.assign(request.responseURL);
    return;
  }
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const outcome = page.getElementById("outcome");
  if (outcome !== null) {
    rest();
    document.getElementById("outcome").replaceChildren(...outcome.children);
    document.title = page.title;
    document.getElementById("summary")?.focus();
  } else {
    failed(page.querySelector("main")?.textContent.replace(/\s+/g, " ").trim() || "The server did not answer as it should. Try again.");
  }
}

function failed(words) {
  rest();
  const box = document.createElement("div");
  box.className = "problem";
  box.id = "summary";
  box.tabIndex = -1;
  box.setAttribute("role", "alert");
  const head = document.createElement("h2");
  head.textContent = "Not loaded";
  const text = document.createElement("p");
  text.textContent = words;
  box.append(head, text);
  document.getElementById("outcome").replaceChildren(box);
  box.focus();
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
