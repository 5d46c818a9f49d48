"use strict";
// The field above the table of images: rows whose id or classes hold the text stay. `all` and `byId` are page.js's.

const imageField = byId("image-filter");
const imageRows = all("#image-rows tr");

function filterImages() {
  const wanted = imageField.value.trim().toLocaleLowerCase();
  for (const row of imageRows) {
    const texts = [row.cells[0].textContent, row.cells[row.cells.length - 1].textContent];
    row.hidden = !texts.some((text) => text.toLocaleLowerCase().includes(wanted));
  }
  const shown = imageRows.filter((row) => !row.hidden).length;
  const count = imageRows.length.toLocaleString("en");
  byId("images-counted").textContent = shown === imageRows.length ? `${count} images` : `${shown.toLocaleString("en")} of ${count} images`;
  byId("no-image").hidden = shown > 0;
}

imageField.addEventListener("input", filterImages);
imageField.closest(".choose").hidden = false;
filterImages();
