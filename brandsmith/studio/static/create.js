// The form of Create: words as chips, AND / NOT blocks, phrases to begin with. Without it the form is plain fields.
import { tell } from "/static/studio.js";

const prompt = document.getElementById("field-prompt"), chips = document.getElementById("chips");
const SMALL = new Set("a an the of on in with and or for to at by from new latest it its his her wearing showing front".split(" "));

/** Words of the prompt; those in braces are the ones that guidance must not neglect. */
function words(text) {
  return Array.from(text.matchAll(/\{[^{}]*\}|[^\s{}]+/g), (found) => ({ text: found[0], at: found.index }));
}

function showChips() {
  const focused = Array.from(chips.children).indexOf(document.activeElement);
  chips.replaceChildren(...words(prompt.value).filter((word) => isThing(word.text)).map(chip));
  if (focused >= 0 && chips.children[focused]) chips.children[focused].focus();
}

function isThing(text) {
  const bare = text.replace(/[^\p{L}\p{N}_]/gu, "");
  return text.startsWith("{") || (bare.length > 1 && !SMALL.has(bare.toLowerCase()) && bare !== "AND" && bare !== "NOT");
}

function chip(word) {
  const button = document.createElement("button"), on = word.text.startsWith("{");
  button.type = "button";
  button.className = "chip plain word";
  button.textContent = word.text.replace(/[{}]/g, "");
  button.setAttribute("aria-pressed", String(on));
  button.addEventListener("click", () => toggle(word, on));
  return button;
}

function toggle(word, on) {
  const inner = on ? word.text.slice(1, -1) : `{${word.text}}`;
  prompt.value = prompt.value.slice(0, word.at) + inner + prompt.value.slice(word.at + word.text.length);
  const plain = document.querySelector("[name=guidance][value=plain]");
  if (!on && plain.checked) document.querySelector("[name=guidance][value=faithful]").checked = true;
  showChips();
}

prompt.addEventListener("input", showChips);
showChips();

document.querySelectorAll("[data-phrase]").forEach((button) => button.addEventListener("click", () => {
  prompt.value = button.dataset.phrase;
  showChips();
  prompt.focus();
  tell(button.dataset.phrase);
}));

// ---- blocks

const blocks = document.getElementById("blocks"), template = document.getElementById("block");
document.querySelectorAll("[data-block]").forEach((button) => button.addEventListener("click", () => {
  const block = template.content.firstElementChild.cloneNode(true), input = block.querySelector("input");
  block.querySelector(".chip").textContent = button.dataset.word;
  input.name = button.dataset.block;
  input.setAttribute("aria-label", button.dataset.label);
  block.querySelector("button").addEventListener("click", () => { block.remove(); button.focus(); });
  blocks.append(block);
  input.focus();
}));

// ---- strength, where the model has one; and more adapters beside it

const model = document.getElementById("field-model"), strength = document.getElementById("strength");
const mix = document.getElementById("mix"), more = document.getElementById("mix-more");
function showStrength() {
  strength.hidden = !("strength" in model.selectedOptions[0].dataset);
  if (more) more.hidden = strength.hidden;
  if (strength.hidden) mix.replaceChildren();
}
mix.addEventListener("click", (event) => {
  if (!event.target.closest("[data-away]")) return;
  event.target.closest(".block").remove();
  if (more) more.querySelector("button").focus();
});
if (more) more.querySelector("[data-beside]").addEventListener("click", () => {
  const block = document.getElementById("beside").content.firstElementChild.cloneNode(true), choice = block.querySelector("select");
  const other = Array.from(choice.options).find((one) => one.value.split("@")[0] !== model.value.split("@")[0]);
  if (other) other.selected = true;
  mix.append(block);
  choice.focus();
});
model.addEventListener("change", showStrength);
showStrength();
