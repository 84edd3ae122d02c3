// The frame of an outpaint: the picture inside the new shape. Dragging the picture moves it; the slider does the same.
const form = document.querySelector("[data-frame]"), canvas = document.getElementById("frame"), pen = canvas.getContext("2d");
const slider = document.getElementById("field-place"), image = new Image();
const width = Number(form.dataset.width), height = Number(form.dataset.height);
let layout = null, grabbed = null;

function shape() {
  const [w, h] = form.querySelector("[name=to]:checked").value.split(/[:x]/).map(Number);
  return w / h;
}

/** The new canvas is as small as can be around the picture, which lies along the side that grows. */
function measure() {
  const aspect = shape(), wide = aspect > width / height;
  const whole = wide ? { w: height * aspect, h: height } : { w: width, h: width / aspect };
  const scale = Math.min(canvas.width / whole.w, canvas.height / whole.h) * 0.96;
  const left = (canvas.width - whole.w * scale) / 2, top = (canvas.height - whole.h * scale) / 2;
  const room = (wide ? whole.w - width : whole.h - height) * scale, at = Number(slider.value) * room;
  return { wide, room, left, top, w: whole.w * scale, h: whole.h * scale, x: left + (wide ? at : 0), y: top + (wide ? 0 : at), scale };
}

function show() {
  layout = measure();
  const ink = getComputedStyle(canvas).color;  // a colour that a canvas can read, in either theme
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = ink;
  pen.globalAlpha = 0.14;
  pen.fillRect(layout.left, layout.top, layout.w, layout.h);
  pen.globalAlpha = 1;
  if (image.complete && image.naturalWidth) pen.drawImage(image, layout.x, layout.y, width * layout.scale, height * layout.scale);
  pen.setLineDash([8, 6]);
  pen.lineWidth = 2;
  pen.strokeStyle = ink;
  pen.strokeRect(layout.left, layout.top, layout.w, layout.h);
  pen.setLineDash([]);
}

function along(event) {
  const box = canvas.getBoundingClientRect();
  return layout.wide ? (event.clientX - box.left) * canvas.width / box.width : (event.clientY - box.top) * canvas.height / box.height;
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  grabbed = { at: along(event), value: Number(slider.value) };
});
canvas.addEventListener("pointermove", (event) => {
  if (!grabbed || layout.room <= 0) return;
  slider.value = grabbed.value + (along(event) - grabbed.at) / layout.room;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
});
for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => { grabbed = null; });
slider.addEventListener("input", show);
form.addEventListener("change", show);
image.addEventListener("load", show);
image.src = canvas.dataset.src;
show();
