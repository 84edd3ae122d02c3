// Two pictures under one slider: what is left of the line is the first, what is right of it the second.
const canvas = document.getElementById("two-up");

if (canvas) {
  const pen = canvas.getContext("2d"), slide = document.getElementById("field-slide");
  const sides = ["left", "right"].map((name) => document.getElementById(`field-${name}`)), images = [new Image(), new Image()];

  const show = () => {
    const at = Math.round(canvas.width * slide.value / 100);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    images.forEach((image, i) => {
      if (!image.complete || !image.naturalWidth) return;
      const share = image.naturalWidth / canvas.width, from = i ? at : 0, wide = i ? canvas.width - at : at;
      if (wide > 0) pen.drawImage(image, from * share, 0, wide * share, image.naturalHeight, from, 0, wide, canvas.height);
    });
    pen.fillStyle = "#fff";
    pen.fillRect(at - 1, 0, 3, canvas.height);
  };

  images.forEach((image, i) => {
    image.addEventListener("load", show);
    image.src = sides[i].value;
    sides[i].addEventListener("change", () => { image.src = sides[i].value; });
  });
  slide.addEventListener("input", show);
  const move = (event) => {
    const box = canvas.getBoundingClientRect();
    slide.value = 100 * (event.clientX - box.left) / box.width;
    show();
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); move(event); });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });
}
