"use strict";
const find = (id) => document.getElementById(id);
const show = (value) => JSON.stringify(value, null, 2);
const MADE_BYTES = 64 * 1024 * 1024;
const MANY = 200;
const AT_ONCE = 6; // what a browser opens to one host

// Facts at the top

async function showFacts() {
  const facts = await (await fetch("/api/hello")).json();
  const rows = [
    ["HTTP", facts.http_version], ["loop", facts.event_loop], ["Python", facts.python],
    ["process", facts.process], ["up", `${Math.round(facts.uptime_s)} s`],
  ];
  find("facts").replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    row.append(term, text);
    return row;
  }));
}

// JSON

async function ask(name) {
  const started = performance.now();
  const answer = await fetch(`/api/hello?name=${encodeURIComponent(name)}`, { cache: "no-store" });
  const body = await answer.json();
  return [body, performance.now() - started, answer.status];
}

find("json-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [body, took, status] = await ask(event.target.elements.name.value);
  find("json-out").textContent = show(body);
  find("json-note").textContent = `${status} in ${took.toFixed(1)} ms`;
});

find("json-many").addEventListener("click", async (event) => {
  event.target.disabled = true;
  const name = find("json-form").elements.name.value;
  const times = [];
  let left = MANY;
  const started = performance.now();
  const one = async () => {
    while (left-- > 0) times.push((await ask(name))[1]);
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    times.sort((a, b) => a - b);
    const seconds = (performance.now() - started) / 1000;
    find("json-note").textContent =
      `${times.length} answers in ${seconds.toFixed(2)} s, median ${times[times.length >> 1].toFixed(1)} ms, `
      + `slowest ${times[times.length - 1].toFixed(1)} ms`;
  } catch (error) {
    find("json-note").textContent = `failed: ${error.message}`;
  }
  event.target.disabled = false;
});

// Stream

let source = null;

function stopStream(text) {
  source?.close();
  source = null;
  find("stream-form").querySelector("button").textContent = "Start";
  find("stream-note").textContent = text;
}

find("stream-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (source) return stopStream("stopped by you");
  const count = Number(event.target.elements.count.value);
  const pause = Number(event.target.elements.pause.value);
  const chart = find("stream-chart");
  chart.replaceChildren();
  let seen = 0;
  let last = null;
  source = new EventSource(`/api/ticks?count=${count}&pause_ms=${pause}`);
  event.target.querySelector("button").textContent = "Stop";
  source.addEventListener("tick", (tick) => {
    const now = performance.now();
    seen += 1;
    if (last !== null) {
      const bar = document.createElement("i");
      const gap = now - last;
      bar.style.height = `${Math.min(100, 60 * gap / Math.max(pause, 1))}%`;
      bar.className = gap > pause * 1.3 + 20 ? "late" : "";
      bar.title = `${gap.toFixed(0)} ms`;
      chart.append(bar);
    }
    const late = last === null ? "" : `, ${(now - last - pause).toFixed(1)} ms after it was due`;
    find("stream-note").textContent = `tick ${seen} of ${count}, sent ${tick.data}${late}`;
    last = now;
  });
  source.addEventListener("end", () => stopStream(`${seen} ticks, none lost`));
  source.onerror = () => source && stopStream(`the connection broke after ${seen} ticks`);
});

// Upload

function upload(body, name) {
  const request = new XMLHttpRequest(); // fetch has no progress of what is sent
  const bar = find("upload-progress");
  request.open("POST", "/api/upload");
  request.setRequestHeader("content-type", "application/octet-stream");
  request.upload.onprogress = (event) => { bar.value = event.loaded / event.total; };
  request.onload = () => {
    bar.value = 1;
    const answer = JSON.parse(request.responseText);
    const speed = answer.bytes / 2 ** 20 / Math.max(answer.seconds, 0.001);
    find("upload-out").textContent = `${name}\n${show(answer)}\n${speed.toFixed(0)} MiB/s`;
  };
  request.onerror = () => { find("upload-out").textContent = "the upload failed"; };
  find("upload-out").textContent = `sending ${name} …`;
  bar.value = 0;
  request.send(body);
}

find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) upload(file, file.name);
});
find("upload-made").addEventListener("click", () => upload(new Blob([new Uint8Array(MADE_BYTES)]), "64 MiB of zeros"));
const drop = find("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) upload(event.dataTransfer.files[0], event.dataTransfer.files[0].name);
  });
}

// Room

const NAMES = ["Heron", "Lark", "Otter", "Wren", "Marten", "Finch", "Vole", "Swift"];
const me = `${NAMES[Math.floor(Math.random() * NAMES.length)]} ${Math.floor(Math.random() * 90) + 10}`;
let socket = null;

function addLine(message) {
  const log = find("room-log");
  const line = document.createElement("li");
  const time = document.createElement("time");
  const text = document.createElement("span");
  time.textContent = message.time.slice(0, 8);
  if (message.kind === "said") {
    const name = document.createElement("b");
    name.textContent = message.name;
    text.append(name, ` ${message.text}`);
  } else {
    text.className = "event";
    text.textContent = `${message.name}${message.name === me ? " (you)" : ""} ${message.kind}`;
  }
  line.append(time, text);
  log.append(line);
  log.scrollTop = log.scrollHeight;
}

function enterRoom() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/room?name=${encodeURIComponent(me)}`);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    find("room-present").textContent = `${message.present} present`;
    addLine(message);
  };
  socket.onclose = () => {
    find("room-present").textContent = "not connected";
    setTimeout(enterRoom, 2000);
  };
}

find("room-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.text;
  if (field.value && socket.readyState === WebSocket.OPEN) {
    socket.send(field.value);
    field.value = "";
  }
});

showFacts();
enterRoom();
