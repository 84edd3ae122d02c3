// Painting what shall be drawn anew: pointer, or keyboard (arrows move the brush, space paints). The boxes' four numbers do
// the same without either.
const form = document.querySelector("[data-mask]"), canvas = document.getElementById("mask");
const pen = canvas.getContext("2d"), brush = document.getElementById("field-brush"), file = form.querySelector("[name=mask]");
const corners = Array.from(form.querySelectorAll("[data-corner]"));
const painted = document.createElement("canvas");
painted.width = canvas.width;
painted.height = canvas.height;
const ink = painted.getContext("2d", { willReadFrequently: true });
const undo = [], MOST_UNDO = 30;
let cursor = null, last = null;

/** The brush is in pixels of the screen; the mask in those of the picture. */
function radius() { return (Number(brush.value) / 2) * (canvas.width / canvas.clientWidth); }

function keep() {
  undo.push(ink.getImageData(0, 0, painted.width, painted.height));
  if (undo.length > MOST_UNDO) undo.shift();
}

function show() {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.globalAlpha = 0.65;
  pen.drawImage(painted, 0, 0);
  pen.globalAlpha = 1;
  if (cursor) {
    pen.strokeStyle = "#fff";
    pen.lineWidth = Math.max(1, canvas.width / canvas.clientWidth);
    pen.beginPath();
    pen.arc(cursor.x, cursor.y, radius(), 0, 7);
    pen.stroke();
  }
}

function stroke(from, to) {
  ink.strokeStyle = ink.fillStyle = "#12d6ff";
  ink.lineCap = "round";
  ink.lineWidth = radius() * 2;
  ink.beginPath();
  ink.moveTo(from.x, from.y);
  ink.lineTo(to.x + 0.01, to.y);
  ink.stroke();
  show();
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return { x: (event.clientX - box.left) * canvas.width / box.width, y: (event.clientY - box.top) * canvas.height / box.height };
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  keep();
  last = cursor = place(event);
  stroke(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  cursor = place(event);
  if (!last) { show(); return; }
  stroke(last, cursor);
  last = cursor;
});
for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => { last = null; });
canvas.addEventListener("pointerleave", () => { if (!last) { cursor = null; show(); } });
canvas.addEventListener("focus", () => { cursor = cursor || { x: canvas.width / 2, y: canvas.height / 2 }; show(); });
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = canvas.width / (event.shiftKey ? 64 : 16);
  if (moves[event.key] && cursor) {
    const before = cursor;
    cursor = {
      x: Math.min(canvas.width, Math.max(0, cursor.x + moves[event.key][0] * step)),
      y: Math.min(canvas.height, Math.max(0, cursor.y + moves[event.key][1] * step)),
    };
    if (last) stroke(before, cursor);
  } else if (event.key === " " && cursor) {
    keep();
    stroke(cursor, cursor);
  } else if ((event.ctrlKey || event.metaKey) && event.key === "z") back();
  else return;
  event.preventDefault();
  show();
});

function back() {
  const before = undo.pop();
  if (before) ink.putImageData(before, 0, 0);
  show();
}

form.querySelector("[data-undo]").addEventListener("click", back);
form.querySelector("[data-clear]").addEventListener("click", () => {
  keep();
  ink.clearRect(0, 0, painted.width, painted.height);
  corners.forEach((corner) => { corner.value = ""; });
  show();
});
form.querySelector("[data-invert]").addEventListener("click", () => {
  keep();
  const all = ink.getImageData(0, 0, painted.width, painted.height);
  for (let i = 0; i < all.data.length; i += 4) {
    const on = all.data[i + 3] > 127;
    all.data.set([18, 214, 255, on ? 0 : 255], i);
  }
  ink.putImageData(all, 0, 0);
  show();
});
brush.addEventListener("input", show);

// ---- a box by numbers is painted too, so that it is seen

corners.forEach((corner) => corner.addEventListener("input", () => {
  const [left, top, right, bottom] = corners.map((own) => (own.value === "" ? NaN : Number(own.value)));
  if (!(right > left && bottom > top)) return;
  keep();
  ink.clearRect(0, 0, painted.width, painted.height);
  ink.fillStyle = "#12d6ff";
  ink.fillRect(left, top, right - left, bottom - top);
  show();
}));

// ---- sent as a file: white is drawn anew

form.addEventListener("submit", (event) => {
  if (form.dataset.ready) return;
  const all = ink.getImageData(0, 0, painted.width, painted.height);
  if (!all.data.some((value, i) => i % 4 === 3 && value > 127)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  for (let i = 0; i < all.data.length; i += 4) {
    const level = all.data[i + 3] > 127 ? 255 : 0;
    all.data.set([level, level, level, 255], i);
  }
  const sent = document.createElement("canvas");
  sent.width = painted.width;
  sent.height = painted.height;
  sent.getContext("2d").putImageData(all, 0, 0);
  sent.toBlob((blob) => {
    const list = new DataTransfer();
    list.items.add(new File([blob], "mask.png", { type: "image/png" }));
    file.files = list.files;
    form.dataset.ready = "1";
    form.requestSubmit(event.submitter);
  }, "image/png");
}, true);
window.addEventListener("pageshow", () => { delete form.dataset.ready; });
