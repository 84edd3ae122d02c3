// Comfort over plain pages: copying, dialogs, enlarging, dropping files, saving as one types. Without it every page works.
const told = document.getElementById("told");

/** Say something to who listens instead of looking. */
export function tell(text) {
  told.textContent = "";
  setTimeout(() => { told.textContent = text; }, 40);
}

/** Whether somebody is writing, so that a key is a letter and no command. */
export function writing(event) {
  return event.target.closest("input, textarea, select, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey;
}

/** An element, or the one that stands in its place since the page was brought up to date. */
function here(element) {
  const bare = element.cloneNode(false);
  const alike = (own) => own.cloneNode(false).isEqualNode(bare);
  return element.isConnected ? element : Array.from(document.querySelectorAll(element.tagName)).find(alike) || element;
}

let focused = null;
document.addEventListener("htmx:beforeSwap", () => { focused = document.activeElement; });
document.addEventListener("htmx:afterSettle", () => {
  if (focused && !focused.isConnected) here(focused).focus({ preventScroll: true });
  focused = null;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-opens], [data-closes], [data-enlarge]");
  if (!button) return;
  if (button.dataset.copy !== undefined) copy(button);
  else if (button.dataset.opens) document.getElementById(button.dataset.opens).showModal();
  else if (button.dataset.closes !== undefined) button.closest("dialog").close();
  else if (!event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    enlarge(button);
  }
});

function copy(button) {
  const done = () => {
    const before = button.getAttribute("aria-label");
    button.classList.add("copied");
    tell(document.body.dataset.copied);
    setTimeout(() => { button.classList.remove("copied"); button.setAttribute("aria-label", before); }, 1600);
  };
  if (navigator.clipboard) navigator.clipboard.writeText(button.dataset.copy).then(done, () => select(button));
  else select(button);
}

function select(button) {
  const code = button.parentElement.querySelector("code");
  if (code) getSelection().selectAllChildren(code);
}

// ---- a picture enlarged; arrows go on to the next

const light = document.getElementById("enlarged");
let shown = null;

function enlarge(link) {
  shown = link;
  const image = light.querySelector("img"), small = link.querySelector("img");
  image.src = link.href;
  image.alt = small ? small.alt : "";
  image.width = small ? small.width : 512;
  image.height = small ? small.height : 512;
  light.querySelector("figcaption").textContent = link.dataset.caption || image.alt;
  if (!light.open) light.showModal();
}

light.addEventListener("click", () => light.close());
light.addEventListener("close", () => { if (shown) here(shown).focus(); });
light.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = Array.from(document.querySelectorAll("[data-enlarge]"));
  const next = all[all.indexOf(shown) + step];
  if (next) enlarge(next);
});
document.querySelectorAll("dialog:not(.light)").forEach(closeOutside);
function closeOutside(dialog) {
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

// ---- files dropped or chosen are shown before they are sent

function drops(root) {
  root.querySelectorAll("[data-drop]").forEach((place) => {
    const input = place.querySelector("input[type=file]"), chosen = place.querySelector("[data-chosen]");
    for (const kind of ["dragenter", "dragover"]) place.addEventListener(kind, (event) => { event.preventDefault(); place.classList.add("over"); });
    for (const kind of ["dragleave", "drop"]) place.addEventListener(kind, () => place.classList.remove("over"));
    place.addEventListener("drop", (event) => {
      event.preventDefault();
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
    input.addEventListener("change", () => {
      chosen.replaceChildren(...Array.from(input.files).slice(0, 24).map(preview));
      if (input.files.length) tell(`${input.files.length}`);
    });
  });
}

/** A small drawing of a picture's file (a canvas: the page may show no picture but the server's). */
function preview(file) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 144;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", file.name);
  const pen = canvas.getContext("2d");
  const named = () => { pen.font = "20px sans-serif"; pen.fillStyle = "#888"; pen.fillText(file.name.slice(-12), 6, 78); };
  if (!file.type.startsWith("image/") || file.size > 3e7) named();
  else createImageBitmap(file).then((image) => {
    const side = Math.min(image.width, image.height);
    pen.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, 144, 144);
    image.close();
  }, named);
  return canvas;
}

// ---- forms

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.defaultPrevented || !button || event.target.method === "dialog") return;
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  if (event.target.hasAttribute("hx-post") || event.target.hasAttribute("hx-get")) return;
  event.target.dataset.sent = "1";
  button.classList.add("busy");
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => {
  delete form.dataset.sent;
  form.querySelectorAll(".busy").forEach((button) => button.classList.remove("busy"));
}));
document.addEventListener("change", (event) => {
  if (event.target.closest("[data-submits]")) event.target.form.requestSubmit();
});
document.addEventListener("input", (event) => {
  const shows = event.target.dataset.shows;
  if (shows) document.getElementById(shows).textContent = event.target.value;
});

// ---- keys: g and a letter goes to a page

const PAGES = { h: "/", t: "/teach", c: "/create", v: "/compare", l: "/learn", s: "/settings" };
let going = 0;
document.addEventListener("keydown", (event) => {
  if (writing(event) || document.querySelector("dialog[open]")) return;
  if (event.key === "g") { going = Date.now(); return; }
  if (Date.now() - going < 1200 && PAGES[event.key]) location.href = PAGES[event.key];
  going = 0;
});

drops(document);
document.body.addEventListener("htmx:afterSettle", (event) => drops(event.target));
document.body.addEventListener("htmx:responseError", (event) => {
  const place = event.target.closest("[data-errors]") || document.getElementById("main");
  const box = document.createElement("div");
  box.innerHTML = event.detail.xhr.responseText.startsWith("<div") ? event.detail.xhr.responseText : "";
  if (!box.firstChild) box.textContent = document.body.dataset.failed;
  box.setAttribute("role", "alert");
  place.prepend(box);
});
