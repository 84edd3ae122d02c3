// The brief that a wizard will write, while it is filled in. The server writes and checks the real one.
const shown = document.getElementById("brief"), ad = document.querySelector("[data-brief]"), table = document.querySelector("[data-table]");
const KEYS = ["product", "scene", "headline", "call_to_action", "legal"];

function yamlText(text) { return /^[\p{L}\p{N}][\p{L}\p{N} ,.!?'{}_-]*$/u.test(text) && !/: |^(yes|no|on|off|true|false|null)$/i.test(text) && !text.includes("{") ? text : JSON.stringify(text); }

function asYaml() {
  const data = new FormData(ad), lines = KEYS.filter((key) => data.get(key).trim()).map((key) => `${key}: ${yamlText(data.get(key).trim())}`);
  lines.push("formats:", ...data.getAll("formats").map((own) => `- ${JSON.stringify(own)}`), `candidates: ${data.get("candidates")}`, `budget: ${4 * data.get("candidates")}`);
  return lines.join("\n");
}

function cell(text) { return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; }

function asCsv() {
  const rows = Array.from(table.querySelectorAll("tbody tr"), (row) => Array.from(row.querySelectorAll("input")));
  const filled = rows.filter((inputs) => inputs[1].value.trim());
  const lines = filled.map((inputs, i) => inputs.map((input) => cell(input.value.trim() || (input.name === "id" ? `P-${String(i + 1).padStart(2, "0")}` : ""))).join(","));
  return [rows[0].map((input) => input.name).join(","), ...lines].join("\n");
}

function show() { shown.textContent = ad ? asYaml() : asCsv(); }
(ad || table).addEventListener("input", show);
show();

if (table) table.querySelector("[data-add-row]").addEventListener("click", () => {
  const body = table.querySelector("tbody"), row = body.lastElementChild.cloneNode(true);
  row.querySelectorAll("input").forEach((input) => { input.value = ""; });
  body.append(row);
  row.querySelector("input").focus();
});
