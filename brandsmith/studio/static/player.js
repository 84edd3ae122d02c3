// Frames that one job of `explain` made, as a film with a slider: every step of a picture, each word's attention, scales.
const data = document.getElementById("frames"), frames = data ? JSON.parse(data.dataset.frames) : null;
const loaded = new Map();

function picture(src) {
  if (!loaded.has(src)) {
    const image = new Image();
    image.src = src;
    loaded.set(src, image);
  }
  return loaded.get(src);
}

function start(player) {
  const canvas = player.querySelector("canvas"), pen = canvas.getContext("2d"), slide = player.querySelector("[data-slide]");
  const say = player.querySelector("[data-say]"), play = player.querySelector("[data-play]");
  const tracks = Array.from(player.querySelectorAll("[data-track]"));
  let name = tracks[0].dataset.track, timer = 0;

  const show = () => {
    const frame = frames[name][Number(slide.value)], image = picture(frame.src);
    say.textContent = frame.say;
    const draw = () => { if (frames[name][Number(slide.value)].src === frame.src) pen.drawImage(image, 0, 0, canvas.width, canvas.height); };
    if (image.complete) draw(); else image.addEventListener("load", draw, { once: true });
  };
  const stop = () => { clearInterval(timer); timer = 0; };
  const step = () => {
    if (Number(slide.value) >= Number(slide.max)) { stop(); return; }
    slide.value = Number(slide.value) + 1;
    show();
  };
  if (play) play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (Number(slide.value) >= Number(slide.max)) slide.value = 0;
    frames[name].forEach((frame) => picture(frame.src));
    show();
    timer = setInterval(step, 220);
  });
  slide.addEventListener("input", () => { stop(); show(); });
  tracks.forEach((track) => track.addEventListener("click", () => {
    name = track.dataset.track;
    tracks.forEach((own) => own.setAttribute("aria-pressed", String(own === track)));
    slide.max = frames[name].length - 1;
    show();
  }));
  show();
}

if (frames) document.querySelectorAll("[data-player]").forEach(start);

// A page that waits for its frames is loaded again when they are there, or when the job ended without.
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.target.matches("[data-waits]") && !event.detail.xhr.responseText.includes("data-waits")) location.reload();
});
