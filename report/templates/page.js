"use strict";
// Tables that sort, classes that are filtered, and galleries that open over the page. Without this script all is there
// too: the tables in their order, the galleries folded below.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

// Sorting

function value(row, column) {
  const text = row.cells[column].textContent.trim();
  return column === 0 ? text : parseFloat(text.replace(/[,<>]/g, ""));
}

function compared(first, second) {
  if (typeof first === "string") return first.localeCompare(second, undefined, { numeric: true });
  return first - second;
}

function sort(table, head) {
  const column = Number(head.dataset.column);
  const before = head.getAttribute("aria-sort");
  // Names begin at A, figures with the highest.
  const rising = before ? before === "descending" : column === 0;
  all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [value(row, column), row]);
  rows.sort(([first], [second]) => {
    // What is not defined stands last either way.
    const unknown = Number.isNaN(first) - Number.isNaN(second);
    return unknown || (rising ? compared(first, second) : compared(second, first));
  });
  body.append(...rows.map(([, row]) => row));
}

for (const table of all("table.sortable")) {
  for (const head of all("th[data-column]", table)) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = `Sort by ${head.dataset.name}`;
    button.setAttribute("aria-label", head.dataset.name);
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head));
    head.append(button);
  }
}

// Filtering

const field = byId("filter");
const chips = all(".chip");

function filter() {
  const wanted = field.value.trim().toLocaleLowerCase();
  const size = chips.find((chip) => chip.getAttribute("aria-pressed") === "true")?.dataset.size ?? "";
  for (const each of all("[data-class]")) {
    const named = each.dataset.class.toLocaleLowerCase().includes(wanted);
    each.hidden = !named || (size !== "" && each.dataset.size !== size);
  }
  const rows = all("tr[data-class]", document.querySelector("table.sortable"));
  const shown = rows.filter((row) => !row.hidden).length;
  byId("counted").textContent = shown === rows.length ? `${shown} classes` : `${shown} of ${rows.length} classes`;
  byId("no-class").hidden = shown > 0;
}

field.addEventListener("input", filter);
for (const chip of chips) {
  chip.addEventListener("click", () => {
    chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
    filter();
  });
}
document.querySelector(".choose").hidden = false;
filter();

// Galleries

const viewer = byId("viewer");
let opened = null;

// The links to the galleries, in the order of the table's rows.
const links = () => all('tr:not([hidden]) a[href^="#images-"]');

function putBack() {
  if (opened) byId(opened.hash.slice(1)).append(byId("viewer-images").firstElementChild);
  opened = null;
}

function show(link) {
  putBack();
  opened = link;
  byId("viewer-title").textContent = link.textContent;
  byId("viewer-images").append(byId(link.hash.slice(1)).querySelector(".shown"));
  const order = links();
  byId("viewer-before").disabled = link === order[0];
  byId("viewer-after").disabled = link === order[order.length - 1];
  if (!viewer.open) viewer.showModal();
  viewer.scrollTop = 0;
  byId("viewer-images").focus({ preventScroll: true });
}

function step(by) {
  const order = links();
  const next = order[order.indexOf(opened) + by];
  if (next) show(next);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest('tr a[href^="#images-"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link);
});
viewer.addEventListener("click", (event) => {
  if (event.target === viewer) viewer.close();
});
viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
viewer.addEventListener("close", () => {
  const link = opened;
  putBack();
  // The row that is shown last, which may be another than the first.
  link?.focus();
});
byId("viewer-before").addEventListener("click", () => step(-1));
byId("viewer-after").addEventListener("click", () => step(1));
byId("viewer-close").addEventListener("click", () => viewer.close());

// An address that names a gallery opens it.
function openNamed() {
  const named = location.hash.startsWith("#images-") && byId(location.hash.slice(1));
  if (named) named.open = true;
}
window.addEventListener("hashchange", openNamed);
openNamed();
