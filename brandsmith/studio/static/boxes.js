// Boxes and a mask drawn on a picture. A box is a button: arrows move it, with Shift they size it, Delete takes it away.
const stage = document.querySelector("[data-stage]");
const place = stage.querySelector("[data-boxes]"), canvas = stage.querySelector("canvas");
const form = document.querySelector("[data-box-form]"), maskForm = document.querySelector("[data-mask-form]");
const clamp = (value) => Math.min(1, Math.max(0, value));
let boxes = JSON.parse(place.dataset.boxes), tool = "box";

// ---- boxes: [x0, y0, x1, y1] as shares of the picture

function show(focused = -1) {
  form.elements.boxes.value = JSON.stringify(boxes);
  place.replaceChildren(...boxes.map((box, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "box-handle";
    button.setAttribute("aria-label", `${place.dataset.label} ${number + 1}`);
    Object.assign(button.style, { left: `${100 * box[0]}%`, top: `${100 * box[1]}%`, width: `${100 * (box[2] - box[0])}%`, height: `${100 * (box[3] - box[1])}%` });
    button.addEventListener("keydown", (event) => pressed(event, number));
    button.addEventListener("pointerdown", (event) => { if (tool === "box") drag(event, number); });
    button.append(document.createElement("i"));
    return button;
  }));
  if (focused >= 0 && place.children[focused]) place.children[focused].focus();
}

function pressed(event, number) {
  const by = event.altKey ? 0.002 : 0.01, box = boxes[number];
  const [dx, dy] = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[event.key] || [0, 0];
  if (event.key === "Delete" || event.key === "Backspace") boxes.splice(number, 1);
  else if (!dx && !dy) return;
  else if (event.shiftKey) boxes[number] = [box[0], box[1], clamp(Math.max(box[0] + 0.01, box[2] + dx)), clamp(Math.max(box[1] + 0.01, box[3] + dy))];
  else boxes[number] = moved(box, dx, dy);
  event.preventDefault();
  show(Math.min(number, boxes.length - 1));
}

function moved(box, dx, dy) {
  const x = Math.min(1 - box[2], Math.max(-box[0], dx)), y = Math.min(1 - box[3], Math.max(-box[1], dy));
  return [box[0] + x, box[1] + y, box[2] + x, box[3] + y];
}

function at(event) {
  const frame = stage.getBoundingClientRect();
  return [clamp((event.clientX - frame.left) / frame.width), clamp((event.clientY - frame.top) / frame.height)];
}

function drag(event, number) {
  const start = at(event), before = boxes[number], sizing = event.target.tagName === "I";
  follow(event, (now) => {
    const dx = now[0] - start[0], dy = now[1] - start[1];
    boxes[number] = sizing ? [before[0], before[1], clamp(Math.max(before[0] + 0.01, before[2] + dx)), clamp(Math.max(before[1] + 0.01, before[3] + dy))] : moved(before, dx, dy);
    show();
  }, () => show(number));
}

function follow(event, step, end) {
  event.preventDefault();
  event.stopPropagation();
  const move = (own) => step(at(own));
  const up = () => { removeEventListener("pointermove", move); removeEventListener("pointerup", up); if (end) end(); };
  addEventListener("pointermove", move);
  addEventListener("pointerup", up);
}

stage.addEventListener("pointerdown", (event) => {
  if (tool !== "box") return paint(event);
  const [x, y] = at(event);
  boxes.push([x, y, x, y]);
  follow(event, (now) => {
    boxes[boxes.length - 1] = [Math.min(x, now[0]), Math.min(y, now[1]), Math.max(x, now[0]), Math.max(y, now[1])];
    show();
  }, () => {
    boxes = boxes.filter((box) => box[2] - box[0] > 0.008 && box[3] - box[1] > 0.008);
    show(boxes.length - 1);
  });
});

document.querySelector("[data-add-box]").addEventListener("click", () => { choose("box"); boxes.push([0.35, 0.35, 0.65, 0.65]); show(boxes.length - 1); });
document.querySelector("[data-clear-boxes]").addEventListener("click", () => { boxes = []; show(); });

// ---- the mask: white where the picture counts more

const pen = canvas.getContext("2d"), brush = document.getElementById("brush");
const paintButton = document.querySelector("[data-paint]"), eraseButton = document.querySelector("[data-erase]");
let painted = false;

if (canvas.dataset.mask) {
  const drawn = new Image();
  drawn.onload = () => {
    pen.drawImage(drawn, 0, 0, canvas.width, canvas.height);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i];
    pen.putImageData(pixels, 0, 0);
  };
  drawn.src = canvas.dataset.mask;
}

function choose(name) {
  tool = name;
  canvas.hidden = name === "box";
  stage.classList.toggle("painting", name !== "box");
  paintButton.setAttribute("aria-pressed", String(name === "paint"));
  eraseButton.setAttribute("aria-pressed", String(name === "erase"));
}
paintButton.addEventListener("click", () => choose(tool === "paint" ? "box" : "paint"));
eraseButton.addEventListener("click", () => choose(tool === "erase" ? "box" : "erase"));
document.querySelector("[data-clear-mask]").addEventListener("click", () => { pen.clearRect(0, 0, canvas.width, canvas.height); painted = true; choose("paint"); });

function paint(event) {
  let last = at(event);
  stroke(last, last);
  follow(event, (now) => { stroke(last, now); last = now; });
}

function stroke(from, to) {
  painted = true;
  pen.globalCompositeOperation = tool === "erase" ? "destination-out" : "source-over";
  pen.strokeStyle = "#fff";
  pen.lineCap = "round";
  pen.lineWidth = (Number(brush.value) / 200) * Math.max(canvas.width, canvas.height);
  pen.beginPath();
  pen.moveTo(from[0] * canvas.width, from[1] * canvas.height);
  pen.lineTo(to[0] * canvas.width + 0.01, to[1] * canvas.height);
  pen.stroke();
}

maskForm.addEventListener("submit", (event) => {
  if (!painted || maskForm.elements.mask.files.length) return;
  event.preventDefault();
  const whole = document.createElement("canvas");
  whole.width = canvas.width;
  whole.height = canvas.height;
  const ground = whole.getContext("2d");
  ground.fillRect(0, 0, whole.width, whole.height);
  ground.drawImage(canvas, 0, 0);
  whole.toBlob((blob) => {
    const files = new DataTransfer();
    files.items.add(new File([blob], "mask.png", { type: "image/png" }));
    maskForm.elements.mask.files = files.files;
    painted = false;
    maskForm.submit();
  });
});

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, button")) return;
  const link = document.querySelector({ ArrowLeft: "[rel=prev]", ArrowRight: "[rel=next]" }[event.key] || "nothing");
  if (link) location.href = link.href;
});
show();
