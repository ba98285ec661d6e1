"use strict";
const words = JSON.parse(document.getElementById("words").textContent);
const list = document.getElementById("jobs");
const live = document.getElementById("live");
const most = Number(document.body.dataset.bytes);
const ENDED = ["done", "failed", "cancelled", "gone"];
const entries = new Map(); // id of a job -> its entry in the list
let stream = null;

const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const announce = text => { live.textContent = text; };

// ------------------------------------------------------------------------------------------------- one file in the list

class Entry {
  constructor(name) {
    this.name = name;
    this.id = null;
    this.state = "sending";
    this.abort = new AbortController(); // of the upload
    this.element = document.getElementById("job").content.firstElementChild.cloneNode(true);
    this.part = selector => this.element.querySelector(selector);
    this.part(".name").textContent = name;
    this.part("progress").setAttribute("aria-label", say("progress_of", { name }));
    this.part(".show").addEventListener("click", () => this.toggle());
    this.part(".end").addEventListener("click", () => this.end());
    this.label(".end", words.cancel);
    this.tell(words.sending);
    list.prepend(this.element);
    document.getElementById("empty").hidden = true;
  }

  label(selector, action) {
    this.part(selector).textContent = action;
    this.part(selector).setAttribute("aria-label", say("of_file", { action, name: this.name }));
  }

  tell(text, share = null) {
    this.part(".text").textContent = text;
    if (share === null) this.part("progress").removeAttribute("value");
    else this.part("progress").value = 100 * share;
  }

  accepted(job) {
    this.id = job.id;
    entries.set(job.id, this);
    this.update(job);
    remember();
  }

  update(job) {
    const before = this.state;
    this.state = job.state;
    if (job.state === "queued") this.tell(say("queued", job));
    else if (job.state === "running" && job.stage === "inspecting" && job.progress > 0)
      this.tell(say("inspecting_video", { percent: Math.round(100 * job.progress) }), job.progress);
    else if (job.state === "running") this.tell(words[job.stage]);
    else if (job.state !== before) this.ended(job);
  }

  ended(job) {
    this.part("progress").hidden = true;
    this.label(".end", this.id === null ? words.remove : words.delete);
    if (job.state !== "done") {
      this.problem(job.state, job.error);
      return;
    }
    const badge = this.part(".badge");
    badge.textContent = words[job.verdict];
    badge.classList.add(job.verdict);
    badge.hidden = false;
    this.part(".text").textContent = job.sentence;
    const stem = job.name.replace(/\.[^.]*$/, "") || "report";
    for (const link of this.element.querySelectorAll(".save")) {
      const kind = link.dataset.kind, file = job.files[kind];
      if (kind !== "zip" && !file) continue;
      link.href = `/api/jobs/${job.id}/${kind === "zip" ? "zip" : `files/${encodeURIComponent(file)}`}`;
      link.download = kind === "zip" ? `${stem}.zip` : file.replace(/^report/, () => stem);
      link.setAttribute("aria-label", say("of_file", { action: link.textContent, name: this.name }));
      link.hidden = false;
    }
    announce(`${this.name}: ${words[job.verdict]}. ${job.sentence}`);
    if (!job.files.page) return; // it could not be written; the record says why
    this.page = `/api/jobs/${job.id}/files/${encodeURIComponent(job.files.page)}`;
    this.part(".show").hidden = false;
    this.label(".show", words.show);
    if (entries.size === 1) this.toggle();
  }

  problem(state, error = "") {
    this.state = state;
    this.part("progress").hidden = true;
    if (this.id === null) this.label(".end", words.remove);
    const text = error ? `${words[state]}: ${error}` : words[state];
    this.part(".text").textContent = text;
    this.part(".text").classList.toggle("problem", state === "failed");
    announce(`${this.name}: ${text}`);
  }

  toggle() {
    const frame = this.part("iframe"), open = frame.hidden;
    frame.title = say("report_of", { name: this.name });
    if (open && !frame.src) {
      frame.addEventListener("load", () => {
        const page = frame.contentDocument.documentElement;
        new ResizeObserver(() => { frame.style.height = `${page.offsetHeight + 8}px`; }).observe(page);
      });
      frame.src = this.page;
    }
    frame.hidden = !open;
    this.part(".show").setAttribute("aria-expanded", open);
    this.label(".show", open ? words.hide : words.show);
  }

  async end() {
    this.abort.abort();
    const ended = this.id === null || ENDED.includes(this.state), address = `/api/jobs/${this.id}`;
    if (this.id !== null) {
      const asked = ended ? fetch(address, { method: "DELETE" }) : fetch(`${address}/cancel`, { method: "POST" });
      const answer = await asked.catch(() => null);
      if (!answer?.ok && answer?.status !== 404) {
        const text = this.part(".text");
        if (!text.textContent.endsWith(words.no_connection)) text.textContent += ` ${words.no_connection}`;
        announce(`${this.name}: ${words.no_connection}`);
        return;
      }
    }
    if (ended) this.remove();
  }

  remove() {
    const next = this.element.nextElementSibling?.querySelector(".end") ?? document.getElementById("files");
    entries.delete(this.id);
    remember();
    this.element.remove();
    document.getElementById("empty").hidden = list.childElementCount > 0;
    next.focus(); // the keyboard's place is not lost with the button
    announce(`${this.name}: ${words.gone}`);
  }
}

// --------------------------------------------------------------------------------------------------------------- sending

let turn = Promise.resolve(); // one upload after the other: the line is one, too

function send(files) {
  for (const file of files) {
    const entry = new Entry(file.name || "picture");
    if (file.size > most) {
      entry.problem("failed", say("too_large", { megabytes: most / 1e6 }));
      continue;
    }
    const headers = { "Content-Type": "application/octet-stream", "X-File-Name": encodeURIComponent(entry.name) };
    turn = turn.then(() => post(entry, "/api/jobs", { body: file, headers }));
  }
}

async function post(entry, address, options = {}) {
  try {
    const answer = await fetch(address, { method: "POST", signal: entry.abort.signal, ...options });
    const body = await answer.json().catch(() => ({ detail: answer.statusText }));
    if (!answer.ok || !body.id) {
      entry.problem("failed", body.detail);
      return;
    }
    entry.accepted(body);
    listen();
  } catch {
    if (!entry.abort.signal.aborted) entry.problem("failed", words.no_connection);
  }
}

// ----------------------------------------------------------------------------------------------------- how far they are

const AT_ONCE = 200; // jobs that one stream tells of
const AGAIN = 3000; // milliseconds
let refused = 0; // streams in a row

function listen() {
  stream?.close();
  const waiting = [...entries.values()].filter(entry => !ENDED.includes(entry.state)).slice(0, AT_ONCE);
  if (!waiting.length) return;
  // One for all: browsers open only a few.
  const source = stream = new EventSource(`/api/events?${waiting.map(entry => `job=${entry.id}`).join("&")}`);
  source.addEventListener("open", () => { refused = 0; });
  source.addEventListener("job", event => {
    const job = JSON.parse(event.data);
    entries.get(job.id)?.update(job);
  });
  source.addEventListener("gone", event => entries.get(JSON.parse(event.data).id)?.problem("gone"));
  source.addEventListener("end", listen); // to those beyond the first
  source.addEventListener("error", () => {
    refused += 1;
    if (refused > 2) for (const entry of waiting) if (!ENDED.includes(entry.state)) entry.tell(words.no_connection);
    // A connection that breaks is made again by the browser, one that is refused is not.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listenAgain(source, waiting[0].id), AGAIN);
  });
}

async function listenAgain(source, id) {
  const answer = await fetch(`/api/jobs/${id}`).catch(() => null);
  if (answer?.status === 401) location.assign("/login"); // its token is no longer known here
  else if (source === stream) listen();
}

// A reload of the page keeps its jobs, closing it forgets them.
let unseen = new Set(); // of jobs that the server could not be asked about yet

function remember() {
  sessionStorage.setItem("jobs", JSON.stringify([...entries.keys(), ...unseen]));
}

function recall() {
  const given = new URLSearchParams(location.hash.slice(1)).get("jobs");
  history.replaceState(null, "", "/");
  return ask([...new Set([...JSON.parse(sessionStorage.getItem("jobs") ?? "[]"), ...(given ? given.split(",") : [])])]);
}

async function ask(ids) {
  unseen = new Set(ids);
  const answers = await Promise.all(ids.map(id => fetch(`/api/jobs/${encodeURIComponent(id)}`).catch(() => null)));
  for (const [place, answer] of answers.entries()) {
    if (answer?.ok || answer?.status === 404) unseen.delete(ids[place]);
    if (!answer?.ok) continue;
    const job = await answer.json();
    new Entry(job.name).accepted(job);
  }
  remember();
  if (unseen.size) setTimeout(() => ask([...unseen]), AGAIN);
  listen();
}

// ---------------------------------------------------------------------------------------------------------- ways to give

for (const id of ["files", "camera"]) {
  const input = document.getElementById(id);
  input.addEventListener("change", () => { send(input.files); input.value = ""; });
}
for (const button of document.querySelectorAll("[data-example]"))
  button.addEventListener("click", () => {
    post(new Entry(button.textContent), `/api/examples/${button.dataset.example}`);
  });
const drop = document.getElementById("drop");
for (const kind of ["dragenter", "dragover"])
  document.addEventListener(kind, event => { event.preventDefault(); drop.classList.add("over"); });
for (const kind of ["dragleave", "drop"])
  document.addEventListener(kind, event => { event.preventDefault(); drop.classList.remove("over"); });
document.addEventListener("drop", event => send(event.dataTransfer.files));
document.addEventListener("paste", event => send(event.clipboardData.files));
recall();
