// Votes by key: left and right arrow, 0 or space for no difference.
import { writing } from "/static/studio.js";

const form = document.querySelector("[data-vote]");
const KEYS = { ArrowLeft: "left", ArrowRight: "right", 0: "same" };

if (form) document.addEventListener("keydown", (event) => {
  const choice = KEYS[event.key];
  if (!choice || writing(event) || event.repeat) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector(`[name=choice][value=${choice}]`));
});
