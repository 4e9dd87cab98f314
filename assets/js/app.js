// Makes pages live: the socket, drafts, confirmation, the QR. Every page works without it.

/** Fetches this page again and puts the named parts in place. */
async function refresh(ids, address = location.href) {
  const answer = await fetch(address, { headers: { "x-live": "1" }, credentials: "same-origin" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ids) {
    const [old, next] = [document.getElementById(id), fresh.getElementById(id)];
    if (old && next) old.replaceWith(next);
  }
  const [badge, count] = [document.querySelector("[data-waiting]"), fresh.querySelector("[data-waiting]")];
  if (badge && count) { badge.textContent = count.textContent; badge.hidden = count.hidden; }
}

/** At most one refresh under way, at most one waiting. */
function gate(work) {
  let running = false, again = false;
  return async function run() {
    if (running) { again = true; return; }
    running = true;
    try { await work(); } catch { /* offline: the socket tells and comes back */ }
    running = false;
    if (again) { again = false; setTimeout(run, 150); }
  };
}

const page = document.querySelector("[data-live]");

function scrollToEnd(force) {
  const box = document.querySelector("[data-scroll]") ?? document.querySelector(".thread");
  if (!box) return;
  const near = box.scrollHeight - box.scrollTop - box.clientHeight < 240;
  if (force || near) box.scrollTop = box.scrollHeight;
}

if (page) {
  const state = document.querySelector("[data-live-state]");
  const chat = page.dataset.chat;
  let seq = Number(page.dataset.seq ?? 0);
  let wait = 500;
  const update = gate(async () => {
    if ("simulator" in page.dataset) {
      const typed = document.getElementById("sim-text")?.value ?? "";
      const focused = document.activeElement?.id === "sim-text";
      const answer = await fetch("/simulator", { credentials: "same-origin" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector(".phone .bubbles")?.replaceWith(fresh.querySelector(".phone .bubbles"));
      document.getElementById("trace")?.replaceWith(fresh.getElementById("trace"));
      const box = document.getElementById("sim-text");
      if (box) { box.value = typed; if (focused) box.focus(); }
    } else {
      await refresh(["chat-rows", "bubbles", "handled"]);
    }
    scrollToEnd(false);
  });
  const connect = () => {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live${seq ? `?after=${seq}` : ""}`);
    socket.onopen = () => { wait = 500; update(); if (state) { state.textContent = state.dataset.on; state.classList.remove("off"); } };
    socket.onmessage = (event) => {
      const line = JSON.parse(event.data);
      seq = line.seq;
      if ("simulator" in page.dataset && chat && line.conversation_id && line.conversation_id !== chat) return;
      if (line.type.startsWith("message.") || line.type.startsWith("conversation.") || line.type === "alert") update();
    };
    socket.onclose = () => {
      if (state) { state.textContent = state.dataset.off; state.classList.add("off"); }
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 15000);
    };
  };
  connect();
  scrollToEnd(true);
}

// A draft per chat survives the tab.
const composer = document.querySelector("[data-composer]");
if (composer) {
  const box = composer.querySelector("textarea"), key = `draft:${composer.dataset.composer}`;
  if (new URLSearchParams(location.search).has("sent")) localStorage.removeItem(key);
  box.value ||= localStorage.getItem(key) ?? "";
  box.addEventListener("input", () => { if (box.value) localStorage.setItem(key, box.value); else localStorage.removeItem(key); });
}

// Enter sends, Shift+Enter makes a line; the box grows with its text.
for (const box of document.querySelectorAll(".composer textarea")) {
  const grow = () => { box.rows = Math.min(6, box.value.split("\n").length); };
  box.addEventListener("input", grow);
  grow();
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); if (box.value.trim()) box.form.requestSubmit(); }
  });
  box.form.addEventListener("submit", (event) => {
    if (box.form.dataset.busy) event.preventDefault();
    box.form.dataset.busy = "1";
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !confirm(button.dataset.confirm)) event.preventDefault();
});

// A changed form asks before it is left.
const form = document.getElementById("package-form");
if (form) {
  let changed = false;
  form.addEventListener("input", () => { changed = true; });
  form.addEventListener("submit", () => { changed = false; });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
}

// The QR code changes by itself; the page looks whether it has been scanned.
if (document.querySelector("[data-qr]")) {
  setInterval(async () => {
    const image = document.querySelector("[data-qr-image]");
    if (image) image.src = `/whatsapp/qr.svg?${Date.now()}`;
    const answer = await fetch("/whatsapp", { credentials: "same-origin" });
    if (answer.ok && !(await answer.text()).includes("data-qr-image")) location.reload();
  }, 8000);
}
