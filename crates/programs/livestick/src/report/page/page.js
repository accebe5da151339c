"use strict";

// What is shown: the plan, as `livestick plan --json` has it.
const plan = JSON.parse(document.getElementById("plan").textContent);
const byId = (id) => document.getElementById(id);

// How many packages have tiles of their own.
const PACKAGE_TILES = 150;
// Room around tiles, and for the label of one that is open, in pixels.
const GAP = 3;
const LABEL = 24;
const CELL_LABEL = 17;
// How many levels are drawn inside a tile.
const PREVIEW_DEPTH = 3;
// Hues are this far apart: the golden angle never repeats.
const HUE_STEP = 137.508;
const FIRST_HUE = 75;

function element(name, options = {}, ...children) {
  const { class: classes, attributes = {}, ...properties } = options;
  const made = Object.assign(document.createElement(name), properties);
  if (classes) made.className = classes;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (number >= 999.5 && unit + 1 < units.length) {
    number /= 1000;
    unit += 1;
  }
  return `${number < 10 && unit > 0 ? number.toFixed(1) : Math.round(number)} ${units[unit]}`;
}

function duration(seconds) {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

const count = (number) => number.toLocaleString("en");

// The tops: title and figures.

function showFigures() {
  document.title = `${plan.title} – livestick plan`;
  byId("title").textContent = plan.title;
  const kernel = plan.kernel ? `kernel ${plan.kernel}, ` : "";
  byId("subtitle").textContent = `${plan.source}: ${kernel}for ${plan.firmware}`;
  const { estimate } = plan;
  const open = plan.audit.findings.filter((secret) => !secret.allowed);
  const stick = estimate.stick_gigabytes ? `for a stick of ${estimate.stick_gigabytes} GB` : "";
  const percent = Math.round((100 * estimate.root_image_bytes) / Math.max(plan.root.bytes, 1));
  const figures = [
    ["Image", bytes(estimate.image_bytes ?? estimate.root_image_bytes), stick || "the root alone"],
    ["Root", bytes(plan.root.bytes), `${count(plan.root.files)} files, to ${percent} % with ${plan.compression}`],
    ["RAM", bytes(plan.ram.least_bytes), `${bytes(plan.ram.to_ram_bytes)} with toram`],
    ["Build", duration(estimate.build_seconds), estimate.write_seconds === null ? "" : `then ${duration(estimate.write_seconds)} to write at 20 MB/s`],
    plan.refusal
      ? ["Kernel and loaders", "refused", plan.refusal.reason, "bad"]
      : ["Kernel and loaders", "ready", `initramfs ${bytes(plan.initramfs.bytes)}, ${plan.initramfs.modules} modules`, "good"],
    ["Secrets", count(open.length), open.length ? severities(open) : "none found", open.some((s) => s.severity === "high") ? "bad" : open.length ? "" : "good"],
  ];
  byId("figures").append(
    ...figures.map(([name, value, note, state = ""]) =>
      element("dl", { class: `figure ${state}` }, element("dt", {}, name), element("dd", { class: "value" }, value), element("dd", { class: "note" }, note)),
    ),
  );
}

function severities(secrets) {
  const of = (severity) => secrets.filter((secret) => secret.severity === severity).length;
  const counts = ["high", "medium", "low"].map((severity) => [of(severity), severity]);
  return counts.filter(([number]) => number).map((pair) => pair.join(" ")).join(", ");
}

// The map.

function packagesAsTree() {
  const named = plan.sizes.packages.map((size) => ({ ...size, kind: "file" }));
  const unowned = { ...plan.sizes.unowned, name: "(no package)", kind: "file" };
  const large = [...named.slice(0, PACKAGE_TILES), unowned];
  const small = named.slice(PACKAGE_TILES);
  const sum = (list, key) => list.reduce((total, size) => total + size[key], 0);
  const together = (list, rest) => ({ ...rest, bytes: sum(list, "bytes"), stored_bytes: sum(list, "stored_bytes"), files: sum(list, "files") });
  if (small.length) large.push(together(small, { name: `${small.length} smaller`, kind: "rest" }));
  return together(large, { name: "packages", kind: "directory", entries: large });
}

const tops = {
  directories: { ...plan.sizes.directories, name: "/" },
  packages: plan.package_manager ? packagesAsTree() : null,
};
for (const top of Object.values(tops)) if (top) paint(top, FIRST_HUE);
const state = { view: "directories", measure: "stored_bytes", path: [tops.directories] };
const size = (entry) => entry[state.measure];
const here = () => state.path[state.path.length - 1];
const isOpenable = (entry) => entry.entries?.length > 0;

// Squarified: rows along the shorter side, as long as tiles in them get squarer (Bruls et al., 2000).
function squarify(entries, box) {
  const placed = [];
  let rest = entries.filter((entry) => size(entry) > 0).sort((a, b) => size(b) - size(a));
  let total = rest.reduce((sum, entry) => sum + size(entry), 0);
  let { x, y, width, height } = box;
  while (rest.length && width > 0 && height > 0) {
    const side = Math.min(width, height);
    const scale = (width * height) / total;
    let row = [];
    let area = 0;
    let worst = Infinity;
    for (const entry of rest) {
      const next = area + size(entry) * scale;
      const areas = [...row, entry].map((one) => size(one) * scale);
      const ratio = Math.max(...areas.map((one) => Math.max((side * side * one) / (next * next), (next * next) / (side * side * one))));
      if (ratio > worst) break;
      row.push(entry);
      area = next;
      worst = ratio;
    }
    const depth = area / side;
    let at = 0;
    for (const entry of row) {
      const length = (size(entry) * scale) / depth;
      placed.push(
        width >= height
          ? { entry, x, y: y + at, width: depth, height: length }
          : { entry, x: x + at, y, width: length, height: depth },
      );
      at += length;
      total -= size(entry);
    }
    if (width >= height) [x, width] = [x + depth, width - depth];
    else [y, height] = [y + depth, height - depth];
    rest = rest.slice(row.length);
  }
  return placed;
}

function place(tile, box) {
  for (const [side, value] of [["left", box.x], ["top", box.y], ["width", box.width], ["height", box.height]]) {
    tile.style[side] = `${Math.max(value, 0)}px`;
  }
}

function inset(box, by) {
  return { x: box.x + by, y: box.y + by, width: box.width - 2 * by, height: box.height - 2 * by };
}

// A hue for each, which it keeps from the preview to its own map.
function paint(entry, hue) {
  entry.hue = hue;
  (entry.entries ?? []).forEach((child, rank) => paint(child, hue + (rank + 1) * HUE_STEP));
}

function tileOf({ entry, ...box }) {
  const tile = element("button", { type: "button", class: `tile ${entry.kind}`, tabIndex: -1 });
  const inner = inset(box, GAP / 2);
  place(tile, inner);
  tile.style.setProperty("--hue", entry.hue);
  tile.setAttribute("aria-label", describe(entry));
  if (inner.width > 46 && inner.height > 20) {
    const parts = [element("b", {}, entry.name)];
    if (inner.width > 130) parts.push(element("span", {}, bytes(size(entry))));
    tile.append(element("div", { class: "label" }, ...parts));
  }
  if (isOpenable(entry) && inner.width > 70 && inner.height > 60) tile.append(...preview(entry, inner));
  tile.addEventListener("click", () => isOpenable(entry) && open([...state.path, entry]));
  for (const event of ["mouseenter", "focus"]) tile.addEventListener(event, () => detail(entry));
  return tile;
}

// What is in a directory and in what is in it, for the eye only.
function preview(entry, box, depth = 1) {
  const label = depth === 1 ? LABEL : CELL_LABEL;
  const room = { x: GAP, y: label, width: box.width - 2 * GAP, height: box.height - label - GAP };
  const visible = squarify(entry.entries, room).filter((one) => one.width > 5 && one.height > 5);
  return visible.map(({ entry: child, ...at }) => {
    const cell = element("i", { class: child.kind, attributes: { "aria-hidden": "true" } });
    const inner = inset(at, 1);
    place(cell, inner);
    cell.style.setProperty("--hue", child.hue);
    const named = inner.width > 40 && inner.height > CELL_LABEL;
    if (named) cell.append(element("u", {}, child.name));
    const opened = named && depth < PREVIEW_DEPTH && isOpenable(child) && inner.width > 60 && inner.height > 50;
    if (opened) cell.append(...preview(child, inner, depth + 1));
    return cell;
  });
}

function describe(entry) {
  const total = Math.max(size(state.path[0]), 1);
  const share = ((100 * size(entry)) / total).toFixed(1);
  const version = entry.version ? ` ${entry.version}` : "";
  const files = entry.files === 1 ? "1 file" : `${count(entry.files)} files`;
  return `${entry.name}${version}: ${bytes(entry.stored_bytes)} on the stick, ${bytes(entry.bytes)} in the root, ${share} % of all, ${files}`;
}

function detail(entry) {
  const path = state.view === "directories" ? [...state.path.slice(1), entry].map((one) => one.name).join("/") : entry.name;
  const name = state.view === "directories" && entry !== tops.directories && entry.kind !== "rest" ? `/${path}` : entry.name;
  byId("detail").replaceChildren(element("b", {}, name), describe(entry).slice(entry.name.length));
}

// The place is in the address, so that it can be kept, and the browser goes back.
function address() {
  const names = state.path.slice(1).map((entry) => encodeURIComponent(entry.name));
  return `#${[state.view, ...names].join("/")}`;
}

function follow() {
  const [view, ...names] = location.hash.slice(1).split("/").map(decodeURIComponent);
  if (!tops[view]) return;
  const path = [tops[view]];
  for (const name of names) {
    const next = path[path.length - 1].entries?.find((entry) => entry.name === name);
    if (!next) break;
    path.push(next);
  }
  state.view = view;
  state.path = path;
  draw();
}

function open(path, focus = true) {
  state.path = path;
  draw();
  byId("map").classList.add("moving");
  if (location.hash !== address()) history.pushState(null, "", address());
  if (focus) (byId("map").querySelector(".tile") ?? byId("map")).focus();
}

function up() {
  if (state.path.length < 2) return;
  const left = here();
  open(state.path.slice(0, -1), false);
  const tiles = [...byId("map").children];
  (tiles.find((tile) => tile.entry === left) ?? tiles[0])?.focus();
}

function draw() {
  const map = byId("map");
  const box = { x: 0, y: 0, width: map.clientWidth, height: map.clientHeight };
  const placed = squarify(here().entries ?? [], inset(box, GAP));
  const tiles = placed.map((one) => Object.assign(tileOf(one), { entry: one.entry }));
  map.classList.remove("moving");
  map.replaceChildren(...tiles);
  if (tiles.length) tiles[0].tabIndex = 0;
  byId("detail").textContent = describe(here());
  drawCrumbs();
  drawList();
  for (const button of document.querySelectorAll(".switch button")) {
    const chosen = button.dataset.view === state.view || button.dataset.measure === state.measure;
    button.setAttribute("aria-pressed", String(chosen));
  }
}

function drawCrumbs() {
  const crumbs = state.path.map((entry, index) => {
    const button = element("button", { type: "button" }, entry.name);
    if (index + 1 === state.path.length) button.setAttribute("aria-current", "location");
    else button.addEventListener("click", () => open(state.path.slice(0, index + 1)));
    return element("li", {}, button);
  });
  byId("crumbs").replaceChildren(...crumbs);
}

function drawList() {
  const rows = [...(here().entries ?? [])].sort((a, b) => size(b) - size(a)).map((entry) => {
    let name = `${entry.name}${entry.version ? ` ${entry.version}` : ""}`;
    if (isOpenable(entry)) {
      name = element("button", { type: "button" }, name);
      name.addEventListener("click", () => open([...state.path, entry]));
    }
    const number = (text) => element("td", { class: "number" }, text);
    return element("tr", {}, element("td", {}, name), number(bytes(entry.stored_bytes)), number(bytes(entry.bytes)), number(count(entry.files)));
  });
  byId("list").replaceChildren(...rows);
}

// The nearest tile in a direction: what lies off to the side counts twice.
function neighbour(from, key) {
  const middle = (tile) => [tile.offsetLeft + tile.offsetWidth / 2, tile.offsetTop + tile.offsetHeight / 2];
  const [x, y] = middle(from);
  let nearest = null;
  let least = Infinity;
  for (const tile of byId("map").children) {
    const [across, down] = [middle(tile)[0] - x, middle(tile)[1] - y];
    const [ahead, aside] = { ArrowLeft: [-across, down], ArrowRight: [across, down], ArrowUp: [-down, across], ArrowDown: [down, across] }[key];
    const distance = ahead + 2 * Math.abs(aside);
    if (ahead > 1 && distance < least) [nearest, least] = [tile, distance];
  }
  return nearest;
}

function onKey(event) {
  const tiles = [...byId("map").children];
  const current = document.activeElement;
  let next = null;
  if (event.key.startsWith("Arrow")) next = neighbour(current, event.key);
  else if (event.key === "Home") next = tiles[0];
  else if (event.key === "End") next = tiles[tiles.length - 1];
  else if (event.key === "Escape" || event.key === "Backspace") up();
  else return;
  event.preventDefault();
  if (!next) return;
  for (const tile of tiles) tile.tabIndex = tile === next ? 0 : -1;
  next.focus();
}

// Below the map.

function showSecrets() {
  const section = byId("secrets");
  const { findings } = plan.audit;
  if (!findings.length) {
    section.append(element("p", { class: "nothing" }, "None found."));
    return;
  }
  const rows = findings.map((secret) => {
    const place = `/${secret.path}${secret.line ? `:${secret.line}` : ""}`;
    const note = [secret.title, secret.note, secret.allowed ? "allowed" : ""].filter(Boolean).join(", ");
    return element(
      "tr",
      { class: secret.allowed ? "allowed" : "" },
      element("td", { class: `severity ${secret.severity}` }, secret.severity),
      element("td", {}, element("code", {}, place)),
      element("td", {}, note),
      element("td", {}, element("code", {}, secret.rule)),
    );
  });
  const heads = ["Severity", "Where", "What", "Rule"].map((text) => element("th", { attributes: { scope: "col" } }, text));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  section.append(element("div", { class: "scroll" }, table));
}

function showRest() {
  const lost = plan.not_held.attributes;
  if (lost.length) {
    const rows = lost.map((one) => element("tr", {}, element("td", {}, element("code", {}, `/${one.path}`)), element("td", {}, element("code", {}, one.name))));
    byId("losses").append(element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, ...rows))));
    byId("losses").hidden = false;
  }
  if (plan.warnings.length) {
    byId("warnings").hidden = false;
    byId("warnings").querySelector("ul").append(...plan.warnings.map((text) => element("li", {}, text)));
  }
}

function start() {
  showFigures();
  showSecrets();
  showRest();
  for (const button of document.querySelectorAll(".switch button")) {
    if (button.dataset.view === "packages" && !tops.packages) button.disabled = true;
    button.addEventListener("click", () => {
      const { view = state.view, measure = state.measure } = button.dataset;
      const path = view === state.view ? state.path : [tops[view]];
      Object.assign(state, { view, measure });
      open(path, false);
    });
  }
  byId("map").addEventListener("keydown", onKey);
  addEventListener("popstate", follow);
  addEventListener("hashchange", follow);
  draw();
  follow();
  new ResizeObserver(draw).observe(byId("map"));
}

start();
