// Where a word looked: its heat lies over the picture while the word is hovered, focused or pressed.
import { tell } from "/static/studio.js";

const buttons = Array.from(document.querySelectorAll("[data-word]"));
let kept = null;

function show(word) {
  document.querySelectorAll("[data-heat]").forEach((heat) => { heat.hidden = heat.dataset.heat !== word; });
}

buttons.forEach((button) => {
  for (const kind of ["pointerenter", "focus"]) button.addEventListener(kind, () => show(button.dataset.word));
  for (const kind of ["pointerleave", "blur"]) button.addEventListener(kind, () => show(kept));
  button.addEventListener("click", () => {
    kept = kept === button.dataset.word ? null : button.dataset.word;
    buttons.forEach((own) => own.setAttribute("aria-pressed", String(own.dataset.word === kept)));
    show(kept || button.dataset.word);
    tell(button.textContent);
  });
});

// A page that waits for the attention is loaded again when it is there.
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.target.id === "looking" && !event.detail.xhr.responseText.includes('id="looking"')) location.reload();
});
