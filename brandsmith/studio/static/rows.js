// One more row of a table of fields. Without it a form has the rows that the page came with.
const table = document.querySelector("[data-rows]"), more = document.querySelector("[data-add-row]");
more.addEventListener("click", () => {
  const body = table.querySelector("tbody"), row = body.lastElementChild.cloneNode(true);
  row.querySelectorAll("input").forEach((input) => { input.value = input.type === "color" ? "#808080" : ""; });
  body.append(row);
  row.querySelector("input").focus();
});
