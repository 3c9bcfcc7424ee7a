(() => {
  // Some notebooks run a script outside of the document: then it looks for new tables everywhere.
  const root = document.currentScript?.parentElement ?? document;
  for (const table of root.querySelectorAll(".cnnstat .rows:not([data-ready])")) {
    table.dataset.ready = "";
    const body = table.tBodies[0], rows = [...body.rows];
    const depth = row => +row.dataset.depth;
    const folded = new Set();
    let words = [];
    const above = row => {
      const found = [];
      for (let place = rows.indexOf(row) - 1, limit = depth(row); place >= 0 && limit > 0; place--) {
        if (depth(rows[place]) < limit) { found.push(rows[place]); limit = depth(rows[place]); }
      }
      return found;
    };
    const path = row => row.cells[0].title;
    const show = () => {
      const sorted = "sorted" in table.dataset;
      const matches = words.length ? new Set(rows.filter(row => {
        const text = `${path(row)} ${row.textContent}`.toLowerCase();
        return words.every(word => text.includes(word));
      })) : null;
      if (matches !== null && !sorted) [...matches].forEach(row => above(row).forEach(group => matches.add(group)));
      let under = Infinity;
      for (const row of rows) {
        if (depth(row) <= under) under = Infinity;
        row.hidden = matches !== null ? !matches.has(row) : !sorted && under < depth(row);
        if (folded.has(row) && under === Infinity) under = depth(row);
      }
    };
    for (const button of table.querySelectorAll(".fold")) {
      button.addEventListener("click", () => {
        const row = button.closest("tr"), open = folded.delete(row);
        if (!open) folded.add(row);
        button.setAttribute("aria-expanded", open);
        show();
      });
    }
    table.querySelectorAll("thead th").forEach((head, place, heads) => {
      head.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        heads.forEach(other => other.removeAttribute("aria-sort"));
        // Three steps: largest first, smallest first, the original order.
        const next = was === null ? "descending" : was === "descending" ? "ascending" : null;
        const key = row => row.cells[place].dataset.key;
        const numeric = rows.every(row => key(row) !== "" && !isNaN(key(row)));
        const compare = (a, b) => numeric ? key(a) - key(b) : key(a).localeCompare(key(b));
        const sorted = next === null ? rows : [...rows].sort((a, b) => next === "ascending" ? compare(a, b) : compare(b, a));
        if (next !== null) head.setAttribute("aria-sort", next);
        table.toggleAttribute("data-sorted", next !== null);
        // Away from the rows above it, a layer needs its whole path.
        for (const row of rows) {
          const cell = row.cells[0], text = cell.lastChild;
          if (!cell.title) continue;
          cell.dataset.name ??= text.data;
          text.data = next === null ? cell.dataset.name : cell.title;
        }
        body.append(...sorted);
        show();
      });
    });
    if (table.dataset.filter !== undefined) {
      const field = document.createElement("input");
      Object.assign(field, { className: "filter", type: "search", placeholder: "Filter rows", ariaLabel: "Filter rows" });
      field.addEventListener("input", () => {
        words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
        show();
      });
      table.closest(".scroll").before(field);
    }
  }
})();
