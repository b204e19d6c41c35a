// The playground with scripts: preview at once, send in the background, draw the boxes on a canvas over the picture.
// Without this file the same form works, and the server draws.

const form = document.getElementById("bench");
const input = document.getElementById("image");
const drop = document.getElementById("drop");
const result = document.getElementById("result");
const problem = document.getElementById("problem");
const button = form.querySelector("button.primary");
let bitmap = null;

input.addEventListener("change", () => input.files[0] && preview(input.files[0]));

for (const kind of ["dragover", "dragenter"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) take(event.dataTransfer.files);
});
addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) take(event.clipboardData.files);
});

function take(files) {
  input.files = files;
  preview(files[0]);
}

async function preview(blob) {
  problem.hidden = true;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
    show(null);
  } catch {
    bitmap = null;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(form);
  const sample = event.submitter?.name === "sample";
  if (sample) {
    data.delete("image");
    data.set("sample", "1");
    await preview(await (await fetch(event.submitter.dataset.src)).blob());
  }
  // A key per attempt: the server answers the same attempt again without charging again.
  data.set("once", Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(""));
  const label = button.lastChild;
  const before = label.textContent;
  label.textContent = "Looking…";
  button.disabled = true;
  result.querySelector(".picture")?.classList.add("waiting");
  try {
    const answer = await fetch(form.action, { method: "POST", body: data, headers: { accept: "application/json" } });
    const body = await answer.json();
    if (!answer.ok) return refuse(body.problem, body.top_up);
    problem.hidden = true;
    show(body);
  } catch {
    refuse("The answer could not be read. Check your connection, or reload the page and try again.", false);
  } finally {
    label.textContent = before;
    button.disabled = false;
    result.querySelector(".picture")?.classList.remove("waiting");
  }
});

function refuse(text, topUp) {
  document.getElementById("problem-text").textContent = text;
  document.getElementById("problem-top-up").hidden = !topUp;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}

function show(answer) {
  const parts = document.getElementById("result-template").content.cloneNode(true);
  const canvas = parts.querySelector("canvas");
  const rows = parts.querySelector("tbody");
  const predictions = answer?.object === "detection" ? answer.predictions : [];
  canvas.setAttribute("aria-label", predictions.length ? `Your picture with ${predictions.length} boxes; the table lists them` : "Your picture");
  const draw = (lit) => paint(canvas, predictions, lit);
  if (answer) {
    tell(answer, parts, rows, draw);
    receipt(answer, parts);
  } else {
    parts.querySelector("section").remove();
    parts.querySelector("details").remove();
  }
  result.replaceChildren(parts);
  canvas.addEventListener("pointermove", (event) => {
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    const [x, y] = [event.offsetX * scale, event.offsetY * scale];
    const inside = ({ box }) => x >= box.xmin && x <= box.xmax && y >= box.ymin && y <= box.ymax;
    const hit = predictions.findIndex(inside);
    [...rows.children].forEach((line, index) => line.classList.toggle("lit", index === hit));
    draw(hit);
  });
  canvas.addEventListener("pointerleave", () => draw(-1));
  draw(-1);
}

// What was found, by task.
function tell(answer, parts, rows, draw) {
  const { object, predictions, data } = answer;
  let found;
  if (object === "classification") {
    // Classes have no place and no size.
    for (const head of [...parts.querySelectorAll("th")].slice(3)) head.remove();
    predictions.forEach((one, index) => rows.append(line([[index + 1, "num-start muted"], [one.class, ""], [one.confidence.toFixed(2), "num-start"]])));
    found = answer.top ?? "No class";
  } else if (object === "list") {
    const [{ embedding }] = data;
    parts.querySelector("table").parentElement.remove();
    parts.querySelector("[data-vector]").hidden = false;
    parts.querySelector("[data-vector] p").textContent = `${embedding.slice(0, 8).map((value) => value.toFixed(4)).join(", ")}, …`;
    found = `${embedding.length} numbers`;
  } else {
    predictions.forEach((one, index) => rows.append(row(one, index, draw)));
    found = `${predictions.length} ${predictions.length === 1 ? "object" : "objects"}`;
  }
  parts.querySelector("[data-summary]").textContent = `${found} in ${Math.round(answer.time * 1000)} ms`;
}

function receipt(answer, parts) {
  const { usage } = answer;
  parts.querySelector("[data-price]").textContent = `${money(usage.amount, usage.currency)} for this call`;
  parts.querySelector("[data-receipt]").textContent = `Charged as ${usage.event_id}. Credit left: ${money(usage.balance, usage.currency)}.`;
  parts.querySelector("[data-json]").textContent = JSON.stringify(answer, null, 2);
  document.getElementById("balance").textContent = money(usage.balance, usage.currency);
}

function line(cells) {
  const made = document.createElement("tr");
  for (const [text, kind] of cells) {
    const cell = made.insertCell();
    cell.textContent = text;
    cell.className = kind;
  }
  return made;
}

function row(one, index, draw) {
  const { xmin, ymin, xmax, ymax } = one.box;
  const made = line([[index + 1, "num-start muted"], [one.class, ""], [one.confidence.toFixed(2), "num-start"], [`${xmin}, ${ymin}`, "num"], [`${xmax - xmin} × ${ymax - ymin}`, "num"]]);
  made.className = one.class;
  made.tabIndex = 0;
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  made.cells[1].prepend(swatch);
  for (const kind of ["pointerenter", "focus"]) made.addEventListener(kind, () => draw(index));
  for (const kind of ["pointerleave", "blur"]) made.addEventListener(kind, () => draw(-1));
  return made;
}

function paint(canvas, predictions, lit) {
  if (!bitmap) return;
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const unit = Math.max(bitmap.width / 800, 1);
  const style = getComputedStyle(document.documentElement);
  const names = { text_line: "--box-text", qr_code: "--box-qr", barcode: "--box-bar", data_matrix: "--box-dm", checkbox: "--box-check" };
  context.font = `600 ${12 * unit}px system-ui, sans-serif`;
  predictions.forEach((one, index) => {
    const { xmin, ymin, xmax, ymax } = one.box;
    const colour = style.getPropertyValue(names[one.class] ?? "--bad").trim();
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = (index === lit ? 3.5 : 2) * unit;
    context.beginPath();
    for (const [x, y] of one.quad ?? [[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax]]) context.lineTo(x, y);
    context.closePath();
    context.stroke();
    if (index === lit) {
      context.globalAlpha = 0.18;
      context.fill();
      context.globalAlpha = 1;
    }
    // Lines of text come by the dozen: their names only when pointed at.
    if (one.class === "text_line" && index !== lit) return;
    const text = `${one.class} ${one.confidence.toFixed(2)}`;
    const high = 17 * unit;
    const top = ymin < high ? ymin : ymin - high;
    context.fillRect(xmin - context.lineWidth / 2, top, context.measureText(text).width + 10 * unit, high);
    context.fillStyle = darkText(colour) ? "#111" : "#fff";
    context.fillText(text, xmin + 4 * unit, top + 12.5 * unit);
  });
}

// As the server's pages write it.
function money(decimal, currency) {
  const sign = { usd: "$", eur: "€", gbp: "£", cny: "¥", jpy: "¥" }[currency];
  return sign ? sign + decimal : `${decimal} ${currency.toUpperCase()}`;
}

// Which of black and white reads better on the colour (relative luminance, roughly).
function darkText(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  return 0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2 > 0.22;
}
