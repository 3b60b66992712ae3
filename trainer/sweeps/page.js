"use strict";
(() => {
  const board = document.getElementById("board");
  const body = board.tBodies[0];
  const rows = [...body.rows];
  const form = document.getElementById("controls");
  const [words, most] = form.elements;
  const counted = document.getElementById("counted");
  const panel = document.getElementById("panel");
  const heads = [...board.tHead.rows[0].cells];
  const key = (row, at) => row.cells[at].dataset.v ?? row.cells[at].textContent;
  const texts = new Map(rows.map((row) => [row,
    [...row.cells].filter((cell) => !cell.classList.contains("curve"))
      .map((cell) => cell.textContent).join(" ").toLowerCase()]));
  const shown = () => [...body.rows].filter((row) => !row.hidden);

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const limit = most.value === "" ? Infinity : Math.max(0, Number(most.value));
    let many = 0;
    for (const row of body.rows) {
      const fits = wanted.every((word) => texts.get(row).includes(word));
      row.hidden = !fits || many >= limit;
      many += !row.hidden;
    }
    counted.textContent = `${many} of ${rows.length}`;
    rove(shown()[0]);
  };

  const sort = (at) => {
    const up = heads[at].getAttribute("aria-sort") !== "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[at].setAttribute("aria-sort", up ? "ascending" : "descending");
    const filled = rows.filter((row) => key(row, at) !== "");
    const numbers = filled.every((row) => Number.isFinite(Number(key(row, at))));
    const compare = (a, b) => numbers
      ? Number(key(a, at)) - Number(key(b, at))
      : key(a, at).localeCompare(key(b, at), undefined, { numeric: true });
    filled.sort((a, b) => (up ? compare(a, b) : compare(b, a)) || rows.indexOf(a) - rows.indexOf(b));
    // What has no value comes last either way.
    body.append(...filled, ...rows.filter((row) => key(row, at) === ""));
    filter();
  };

  // One row at a time is reached with Tab, the others with the arrows.
  const rove = (to) => rows.forEach((row) => { row.tabIndex = row === to ? 0 : -1; });

  const show = (row) => {
    const cell = row.querySelector(".curve");
    if (!cell || !cell.firstElementChild) { panel.hidden = true; return; }
    const title = document.createElement("strong");
    title.textContent = row.dataset.title;
    panel.replaceChildren(title, ...[...cell.children].map((child) => child.cloneNode(true)));
    panel.hidden = false;
  };
  const rowOf = (event) => event.target.closest?.("#board tbody tr");

  heads.forEach((head, at) => {
    if (head.classList.contains("fixed")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(at));
  });
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  body.addEventListener("pointerover", (event) => { const row = rowOf(event); if (row) show(row); });
  body.addEventListener("pointerleave", () => {
    const row = document.activeElement?.closest?.("#board tbody tr");
    if (row) show(row); else panel.hidden = true;
  });
  body.addEventListener("focusin", (event) => { const row = rowOf(event); rove(row); show(row); });
  body.addEventListener("focusout", () => { panel.hidden = true; });
  body.addEventListener("keydown", (event) => {
    const all = shown();
    const at = all.indexOf(rowOf(event));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all[to]?.focus();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") panel.hidden = true; });
  filter();
})();
