// Makes pages live: the socket, replies, drafts, keys, the QR. Every page works without it.

const $ = (id) => document.getElementById(id);
const page = document.querySelector("[data-live]");
const box = document.querySelector("[data-scroll]");
const simulator = page && "simulator" in page.dataset;

/** Makes `old` like `next` and touches only what differs: playing media, a selection, the focus and open menus stay. */
function morph(old, next) {
  if (old.isEqualNode(next)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) { old.data = next.data; return; }
  for (const { name } of [...old.attributes]) if (name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if ("list" in next.dataset) { morphList(old, next, next.dataset.list === "keep"); return; }
  const kids = [...next.childNodes];
  kids.forEach((kid, at) => {
    const mine = old.childNodes[at];
    if (!mine) old.append(kid);
    else if (mine.nodeName !== kid.nodeName || mine.id !== kid.id) mine.replaceWith(kid);
    else morph(mine, kid);
  });
  while (old.childNodes.length > kids.length) old.lastChild.remove();
}

/** The same for rows that have ids. `keep`: a page of a longer list, so what is missing in it is not gone. */
function morphList(old, next, keep) {
  let at = old.firstElementChild;
  for (const kid of [...next.children]) {
    const mine = $(kid.id);
    if (mine?.parentNode === old) {
      if (!keep && mine !== at) old.insertBefore(mine, at);
      if (mine.nodeName === kid.nodeName) morph(mine, kid);
      at = mine.nextElementSibling;
    } else if (!keep || kid.id !== "earlier") old.insertBefore(kid, at);
  }
  while (!keep && at) { const gone = at; at = at.nextElementSibling; gone.remove(); }
}

const older = ["before", "at"].some((name) => new URLSearchParams(location.search).has(name));
let atEnd = !older;
const hit = $("found") ?? (location.hash.startsWith("#m") ? $(location.hash.slice(1)) : null);
const toEnd = () => { atEnd = true; box.scrollTop = box.scrollHeight; };
const stay = () => { if (atEnd) toEnd(); };
if (box) {
  stay();
  hit?.scrollIntoView({ block: "center" });
  const jump = document.querySelector("[data-jump]"), unread = $("unread");
  if (jump && unread && unread.offsetTop < box.scrollTop) {
    jump.hidden = false;
    jump.onclick = (event) => { event.preventDefault(); $("unread")?.scrollIntoView({ block: "start" }); jump.hidden = true; };
  }
  // once the first unread words are in sight, or below, there is nothing to go up to
  if (jump) box.addEventListener("scroll", () => { const mark = $("unread"); if (!mark || mark.offsetTop >= box.scrollTop - 8) jump.hidden = true; }, { passive: true });
  box.addEventListener("scroll", () => { atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 240; }, { passive: true });
  for (const kind of ["load", "loadedmetadata"]) box.addEventListener(kind, stay, true);
  new ResizeObserver(stay).observe(box); // the phone's keyboard opens
}

const LIST = ["badge-waiting", "chat-tabs", "chat-filters", "chat-rows"];
const THREAD = ["badge-waiting", "thread-head", "thread-note", "laters", "side-body", "bubbles", "viewers", "seen", "scenarios", "sim-bubbles", "trace"];

/** Puts the named parts of a fresh page in place. Who reads old messages is not moved, who reads the end stays there. */
function patch(fresh, ids) {
  const [near, top, focus] = [atEnd, box?.scrollTop, document.activeElement];
  if (simulator) page.dataset.chat = fresh.querySelector("[data-live]")?.dataset.chat ?? "";
  else if (page.dataset.chat) fresh.getElementById(`c${page.dataset.chat.slice(5)}`)?.setAttribute("aria-current", "true");
  for (const id of ids) {
    const [old, next] = [$(id), fresh.getElementById(id)];
    // what is being typed in stays; a reply is measured against what its writer has seen
    if (old && next && !(id === "chat-filters" && old.contains(focus)) && !(id === "seen" && $("reply")?.value)) morph(old, next);
  }
  if (doing.size) showDoing();
  if (box) box.scrollTop = near ? box.scrollHeight : top;
  if (focus !== document.activeElement && focus.isConnected) focus.focus({ preventScroll: true });
}

// A customer who types: said in place of his last line and under his name, until a message comes or nothing for a while.
const ahead = Number(page?.dataset.now ?? 0) - (page?.dataset.now ? Date.now() : 0); // of the server's clock
const doing = new Map(); // row id → [word, timer]
const DOING_MS = 15000; // WhatsApp repeats it about every ten seconds
function showDoing() {
  for (const row of document.querySelectorAll(".chat-row")) {
    const [word] = doing.get(row.id) ?? [];
    row.classList.toggle("does", Boolean(word));
    let said = row.querySelector(".doing");
    if (!word) { said?.remove(); continue; }
    if (!said) {
      said = document.createElement("span");
      said.className = "doing grow one-line";
      row.querySelector(".last").after(said);
    }
    said.textContent = word;
  }
  const head = $("doing");
  if (!head) return;
  const [word] = doing.get(`c${page.dataset.chat.slice(5)}`) ?? [];
  head.hidden = !word;
  head.textContent = word ?? "";
}
function customerDoes(chat, what) {
  const row = `c${chat.slice(5)}`, word = page.dataset[what];
  if (!word && !doing.has(row)) return;
  clearTimeout(doing.get(row)?.[1]);
  if (word) doing.set(row, [word, setTimeout(customerDoes, DOING_MS, chat, "paused")]);
  else doing.delete(row);
  showDoing();
}

const strip = document.querySelector("[data-offline] > p");
const offline = (is) => { if (strip) strip.hidden = !is; };

async function load(address, options) {
  const answer = await fetch(address, { credentials: "same-origin", ...options });
  const out = new URL(answer.url).pathname === "/login";
  if (out) location.reload();
  if (out) throw new Error(answer.status);
  const doc = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok) throw Object.assign(new Error(answer.status), { status: answer.status, why: doc.querySelector("[data-why]")?.textContent });
  offline(false);
  return doc;
}

/** Sends a form without leaving the page and shows what came of it. */
async function post(form, body, done) {
  const fresh = await load(form.action, { method: "POST", body });
  done?.();
  if (older) location.assign(location.pathname);
  else patch(fresh, THREAD);
}
const fields = (form, by) => new URLSearchParams(new FormData(form, by));

/** At most one run under way, at most one waiting. */
function gate(work) {
  let running = false, again = false;
  return async function run() {
    if (running) { again = true; return; }
    running = true;
    try { await work(); } catch { /* offline: the socket tells and comes back */ }
    running = false;
    if (again) { again = false; setTimeout(run, 40); }
  };
}

let connected = null; // what the reply box does when there is a connection again
let sending = 0; // replies on their way: their own answer brings the thread
let stale = false;

/** Everything on this page; a thread that nobody looks at is left unread. */
const refresh = gate(async () => {
  if (sending || document.hidden) { stale = true; return; }
  stale = false;
  patch(await load(location.href), [...LIST, ...THREAD]);
});
/** The list alone: something happened in another chat. */
const refreshList = gate(async () => {
  patch(await load(page.dataset.chat ? `/chats?${page.dataset.qs}` : location.href), LIST);
});

if (page) {
  const state = document.querySelector("[data-live-state]");
  let seq = Number(page.dataset.seq ?? 0);
  let wait = 500, late;
  let typing = false;
  const tellPresence = (socket) => {
    if (page.dataset.chat && !simulator && socket?.readyState === 1) socket.send(JSON.stringify({ type: "presence", conversation_id: page.dataset.chat, state: document.hidden ? "left" : typing ? "typing" : "viewing" }));
  };
  let live;
  const connect = () => {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live${seq ? `?after=${seq}` : ""}`);
    socket.onopen = () => {
      wait = 500;
      clearTimeout(late);
      offline(false);
      live = socket;
      addEventListener("offline", () => socket.close(), { once: true });
      tellPresence(socket);
      if (state) { state.textContent = state.dataset.on; state.classList.remove("off"); }
      refresh();
      connected?.();
    };
    socket.onmessage = (event) => {
      const line = JSON.parse(event.data);
      seq = line.seq;
      const chat = page.dataset.chat, about = line.conversation_id;
      if (line.type === "presence") {
        if (line.data.actor === "customer") { if (about && !simulator && Date.now() + ahead - line.at < DOING_MS) customerDoes(about, line.data.state); return; }
        if (about && about === chat && line.data.actor !== page.dataset.me) refresh();
        return;
      }
      if (!/^(message|conversation|label|alert)/.test(line.type)) return;
      if (line.type === "message.created" && line.data.direction === "in") customerDoes(about, "paused");
      const mine = !about || about === chat;
      if (simulator ? mine || !chat : chat && mine) refresh();
      if (!simulator && (!mine || !chat || document.hidden)) refreshList();
    };
    socket.onclose = () => {
      if (state) { state.textContent = state.dataset.off; state.classList.add("off"); }
      clearTimeout(late);
      late = setTimeout(offline, 1000, true);
      if (wait > 2000) refresh(); // signed out meanwhile?
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 15000);
    };
  };
  connect();
  document.addEventListener("visibilitychange", () => { tellPresence(live); if (stale && !document.hidden) refresh(); });
  let still;
  $("reply")?.addEventListener("input", () => {
    clearTimeout(still);
    still = setTimeout(() => { typing = false; tellPresence(live); }, 4000);
    if (!typing && $("reply").value) { typing = true; tellPresence(live); }
  });
  if (!simulator) setInterval(() => { if (!document.hidden) refreshList(); }, 60000); // the waiting clocks go on
}
addEventListener("offline", () => offline(true));
addEventListener("online", () => offline(false));

// A reply appears at once; the draft of each chat outlives the tab.
const composer = document.querySelector("[data-composer]");
if (composer) {
  const reply = $("reply"), place = `draft:${page.dataset.me}:${composer.dataset.composer}`;
  const mode = () => composer.querySelector("[name=mode]:checked")?.value ?? "reply";
  // what is meant for the team never comes back as a reply: each has its draft, and the last one written its tab
  const keep = (text, of = mode()) => { if (text) localStorage.setItem(`${place}:${of}`, text); else localStorage.removeItem(`${place}:${of}`); localStorage.setItem(`${place}:tab`, of); };
  const kept = () => localStorage.getItem(`${place}:${mode()}`) ?? "";
  const zone = { hour: "2-digit", minute: "2-digit", timeZone: page.dataset.zone };
  let turn = Promise.resolve();
  const button = composer.querySelector("[data-send]"), hint = $("reply-hint");
  const placeholder = reply.placeholder;
  const dress = () => {
    const note = mode() === "note";
    composer.classList.toggle("noting", note);
    button.firstElementChild.textContent = note ? button.dataset.keep : button.dataset.send;
    reply.placeholder = note ? reply.dataset.notePlaceholder : placeholder;
  };
  const tab = composer.querySelector(`[name=mode][value="${localStorage.getItem(`${place}:tab`) ?? "reply"}"]`);
  if (tab) tab.checked = true;
  let was = mode();
  composer.addEventListener("change", (event) => {
    if (event.target.name !== "mode") return;
    keep(reply.value, was);
    was = mode();
    localStorage.setItem(`${place}:tab`, was);
    if (was === "note") { attach(null); answer(null); }
    reply.value = kept();
    reply.dispatchEvent(new Event("input"));
    dress();
  });
  dress();
  // a file: chosen, pasted or dropped
  const attached = composer.querySelector("[data-attached]"), chooser = composer.querySelector("[data-file]");
  let file = null;
  const attach = (next) => {
    file = mode() === "note" ? null : next ?? null;
    composer.elements.canned.value = "";
    attached.hidden = !file;
    attached.querySelector("span").textContent = file?.name ?? "";
    if (!file) chooser.value = "";
  };
  chooser.addEventListener("change", () => attach(chooser.files[0]));
  attached.querySelector("button").onclick = () => attach(null);
  reply.addEventListener("paste", (event) => { const [pasted] = event.clipboardData?.files ?? []; if (pasted) { event.preventDefault(); attach(pasted); } });
  // the message it answers
  const quoted = composer.querySelector("[data-quoted]");
  const answer = (bubble) => {
    composer.elements.reply_to.value = bubble?.id.slice(1) ?? "";
    quoted.hidden = !bubble;
    const words = bubble?.querySelector(".words, .attached span, img[alt], video, audio");
    quoted.querySelector("span").textContent = words ? words.textContent.trim() || words.getAttribute("alt") || words.getAttribute("aria-label") || "" : "";
  };
  quoted.querySelector("button").onclick = () => { answer(null); reply.focus(); };
  page.classList.add("can-quote"); // not on what is redrawn
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-quote]");
    if (!button) return;
    if (mode() === "note") { const tab = composer.querySelector("[name=mode][value=reply]"); tab.checked = true; tab.dispatchEvent(new Event("change", { bubbles: true })); }
    answer(button.closest(".bubble"));
    reply.focus();
  });
  const thread = document.querySelector(".thread");
  thread.addEventListener("dragover", (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
  thread.addEventListener("drop", (event) => { const [dropped] = event.dataTransfer?.files ?? []; if (dropped) { event.preventDefault(); attach(dropped); } });
  // answers kept ready: "/" at the beginning opens them
  const list = composer.querySelector("[data-ready-list]");
  let ready = null, at = 0, asked = null;
  const names = [...document.querySelectorAll("#team-names option")].map((one) => ({ name: one.value, shortcut: one.value.toLowerCase(), text: `@${one.value} ` }));
  const choose = (one) => {
    // what was typed stays; only the word that asked for it gives way
    const [from, to] = asked ?? [reply.selectionStart, reply.selectionEnd];
    reply.setRangeText(one.text, from, to, "end");
    list.hidden = true;
    if (one.name) { reply.dispatchEvent(new Event("input")); reply.focus(); return; }
    attach(null);
    composer.elements.canned.value = one.id;
    if (one.file) { attached.hidden = false; attached.querySelector("span").textContent = one.file; }
    reply.dispatchEvent(new Event("input"));
    reply.focus();
  };
  const offer = async (all) => {
    const before = reply.value.slice(0, reply.selectionStart), note = mode() === "note";
    const word = note ? /(?:^|\s)@([\p{L}]*)$/u.exec(before) : /^\/([\w-]*)$/.exec(before);
    if (all !== true && !word) { list.hidden = true; return; }
    if (note && all === true) return;
    asked = word ? [before.length - word[1].length - 1, before.length] : null;
    if (!note) ready ??= fetch(composer.dataset.ready, { credentials: "same-origin" }).then((answer) => (answer.ok ? answer.json() : [])).catch(() => []);
    const wanted = (word?.[1] ?? "").toLowerCase();
    const fits = (note ? names : await ready).filter((one) => one.shortcut.startsWith(wanted)).slice(0, 8);
    at = 0;
    list.replaceChildren(...fits.map((one, index) => {
      const item = document.createElement("li"), name = document.createElement("code"), words = document.createElement("span");
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(index === 0));
      name.textContent = one.name ? one.name : `/${one.shortcut}`;
      words.textContent = one.name ? "" : one.text;
      item.append(name, words);
      item.onmousedown = (event) => { event.preventDefault(); choose(one); };
      item.choose = () => choose(one);
      return item;
    }));
    list.hidden = fits.length === 0;
  };
  reply.addEventListener("input", offer);
  composer.querySelector("[data-slash]").onclick = () => { reply.focus(); offer(true); };
  reply.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const items = [...list.children];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") at = (at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length;
    else if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); event.stopImmediatePropagation(); items[at].choose(); return; }
    else if (event.key === "Escape") { list.hidden = true; event.stopImmediatePropagation(); return; }
    else return;
    event.preventDefault();
    items.forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
  });
  // What has left the box and has no answer yet: kept with its token, so that a closed tab or a dead spot loses nothing and
  // sends nothing twice. Files are not kept.
  const unanswered = `pending:${page.dataset.me}`, OLD_MS = 86400000;
  const list_of = () => JSON.parse(localStorage.getItem(unanswered) ?? "[]");
  const put_list = (all) => { if (all.length) localStorage.setItem(unanswered, JSON.stringify(all)); else localStorage.removeItem(unanswered); };
  const answered = (token) => put_list(list_of().filter((one) => one.token !== token));
  const underway = new Set();
  const send = (bubble, text, body, action, of) => {
    const token = body.get("token");
    underway.add(token);
    sending += 1;
    turn = turn.then(async () => {
      try {
        await post({ action }, body, () => bubble.remove());
        answered(token);
        if (of === mode() && !reply.value) keep("");
      } catch (error) {
        const why = bubble.querySelector(".why");
        if (error.status) {
          answered(token);
          if (error.status === 409) body.set("force", "1"); // somebody else has just answered: once more means yes
          if (error.status === 422) body.delete("reply_to"); // once more goes without what cannot be quoted
          keep((of === mode() && reply.value) || text, of); // words meant for the team stay among its drafts
          localStorage.setItem(`${place}:tab`, mode());
          why.textContent = error.why ?? why.dataset.broken;
        } else {
          offline(true);
          why.textContent = list_of().some((one) => one.token === token) ? why.dataset.waits : why.dataset.broken;
        }
        bubble.hidden = false;
        bubble.classList.add("bad");
        bubble.querySelector(".tick").hidden = true;
        bubble.querySelector(".trouble").hidden = false;
        toEnd();
      }
      underway.delete(token);
      sending -= 1;
      if (stale) refresh();
    });
  };
  const show = (bubble, text, of, resend) => {
    bubble.querySelector(".words").textContent = text;
    bubble.classList.toggle("noted", of === "note");
    bubble.querySelector("time").textContent = new Date().toLocaleTimeString("en-GB", zone).replace(":", ".");
    bubble.querySelector(".trouble button").onclick = () => {
      bubble.classList.remove("bad");
      bubble.querySelector(".tick").hidden = false;
      bubble.querySelector(".trouble").hidden = true;
      reply.focus();
      resend();
    };
  };
  const stuck = new Map(); // token → its bubble on this page
  /** Sends what has no answer, of this chat in its bubbles and of others unseen. */
  const goOn = async () => {
    for (const one of list_of()) {
      if (underway.has(one.token)) continue;
      if (Date.now() - one.at > OLD_MS) { answered(one.token); localStorage.setItem(`draft:${page.dataset.me}:${one.chat}:${one.of}`, one.text); continue; }
      const body = new URLSearchParams(one.body);
      body.set("csrf", composer.elements.csrf.value);
      if (one.chat === composer.dataset.composer) {
        const bubble = stuck.get(one.token)?.isConnected ? stuck.get(one.token) : $("pending").content.firstElementChild.cloneNode(true);
        const resend = () => send(bubble, one.text, body, one.action, one.of);
        if (!bubble.isConnected) { show(bubble, one.text, one.of, resend); $("end").before(bubble); stuck.set(one.token, bubble); }
        bubble.querySelector(".trouble button").click();
      } else {
        underway.add(one.token);
        try { await load(one.action, { method: "POST", body }); answered(one.token); } catch (error) { if (error.status) { answered(one.token); localStorage.setItem(`draft:${page.dataset.me}:${one.chat}:${one.of}`, one.text); } }
        underway.delete(one.token);
      }
    }
  };
  connected = goOn;
  goOn();
  reply.value ||= kept();
  let told;
  reply.addEventListener("input", () => {
    keep(reply.value);
    clearTimeout(told);
    told = setTimeout(() => { if (reply.value) hint.textContent = hint.dataset.draft; }, 800);
  });
  composer.addEventListener("submit", (event) => {
    const later = Boolean(event.submitter && "later" in event.submitter.dataset);
    event.preventDefault();
    const text = reply.value.trim();
    if (!text && !file && !composer.elements.canned.value) return;
    composer.elements.token.value = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`; // one reply, however often it is tried
    const chosen = file;
    const body = chosen ? new FormData(composer, event.submitter) : fields(composer, event.submitter);
    if (chosen) body.set("file", chosen);
    if (!later) body.delete("send_at");
    else document.getElementById("later").hidePopover();
    const action = chosen ? composer.dataset.fileAction : composer.action;
    const bubble = $("pending").content.firstElementChild.cloneNode(true), of = mode(), token = body.get("token");
    const resend = () => send(bubble, text, body, action, of);
    show(bubble, [chosen?.name, text].filter(Boolean).join("\n"), of, resend);
    if (!chosen) put_list([...list_of(), { chat: composer.dataset.composer, action, body: body.toString(), text, of, token, at: Date.now() }]);
    stuck.set(token, bubble);
    if (later) bubble.hidden = true;
    $("end").before(bubble);
    toEnd();
    reply.value = "";
    composer.elements.canned.value = "";
    reply.dispatchEvent(new Event("input"));
    attach(null);
    answer(null);
    reply.focus();
    resend();
  });
}

// Other forms whose page comes back the same: take over, hand back, retry, the simulator.
addEventListener("submit", async (event) => {
  const form = event.target;
  if (event.defaultPrevented || !("post" in form.dataset) || "plain" in form.dataset || !page) return;
  event.preventDefault();
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  const body = fields(form, event.submitter), text = form.querySelector("textarea");
  if (text) { text.value = ""; text.dispatchEvent(new Event("input")); }
  atEnd = true;
  try { await post(form, body); } catch (error) {
    if (text) text.value = body.get("text");
    if (error instanceof TypeError) offline(true);
    else { form.dataset.plain = ""; form.requestSubmit(event.submitter); } // the server's own page says why
  }
  delete form.dataset.busy;
});

// Enter sends, Shift+Enter makes a line (a touch keyboard has no Shift+Enter: there Enter makes it); the box grows.
const touch = matchMedia("(pointer: coarse)");
for (const text of document.querySelectorAll(".composer textarea")) {
  const grow = () => { text.style.height = "0"; text.style.height = `${Math.min(160, text.scrollHeight)}px`; };
  text.addEventListener("input", grow);
  grow();
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") text.blur();
    if (event.key !== "Enter" || event.isComposing || touch.matches) return;
    const sends = localStorage.getItem("enter") !== "line";
    if (sends ? event.shiftKey : !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (text.value.trim()) text.form.requestSubmit();
  });
}

// Keys of the chats; single letters can be switched off in their list.
const keys = $("keys");
if (keys) {
  const on = keys.querySelector("[data-keys-on]"), opener = document.querySelector("[data-keys]");
  on.checked = localStorage.getItem("keys") !== "off";
  on.onchange = () => localStorage.setItem("keys", on.checked ? "on" : "off");
  const enter = keys.querySelector("[data-enter-sends]");
  enter.checked = localStorage.getItem("enter") !== "line";
  enter.onchange = () => localStorage.setItem("enter", enter.checked ? "sends" : "line");
  opener.hidden = false;
  opener.onclick = () => keys.showModal();
  keys.onclick = (event) => { if (event.target === keys) keys.close(); };
  const go = (step) => {
    const rows = [...document.querySelectorAll(".chat-row")];
    const here = rows.findIndex((row) => row.hasAttribute("aria-current"));
    rows[here < 0 ? 0 : here + step]?.click();
  };
  const does = { j: () => go(1), k: () => go(-1), r: () => $("reply")?.focus(), "?": () => keys.showModal() };
  const press = (key) => () => {
    const target = document.querySelector(`[data-key="${key}"]`);
    if (!target) return;
    const menu = target.closest("[popover]");
    if (menu && !menu.matches(":popover-open") && getComputedStyle(menu).display === "none") menu.showPopover();
    if (target.type === "radio") { target.checked = true; target.dispatchEvent(new Event("change", { bubbles: true })); $("reply").focus(); }
    else if (target.tagName === "BUTTON" && key === "e") target.click();
    else target.focus();
  };
  for (const key of ["n", "e", "l", "a", "s"]) does[key] = press(key);
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); $("q")?.focus(); $("q")?.select(); }
  });
  addEventListener("keydown", (event) => {
    if (!on.checked || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, dialog")) return;
    const act = does[event.key.toLowerCase()];
    if (act) { event.preventDefault(); act(); }
  });
  // the list stays where it was when another chat opens
  const rows = $("chat-rows"), place = `rows:${page.dataset.qs}`;
  rows.scrollTop = Number(sessionStorage.getItem(place) ?? 0);
  rows.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  addEventListener("pagehide", () => sessionStorage.setItem(place, rows.scrollTop));
}

// A row of filters shows the chosen one.
for (const row of document.querySelectorAll(".filters, .tabs")) {
  const chosen = row.querySelector("[aria-current]");
  if (chosen) row.scrollLeft = chosen.offsetLeft - row.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
}

// The menu "more" closes as menus do.
const menu = document.querySelector(".rail details");
addEventListener("click", (event) => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
  const button = event.target.closest?.("[data-confirm]");
  if (button && !confirm(button.dataset.confirm)) event.preventDefault();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && menu?.open) { menu.open = false; menu.querySelector("summary").focus(); }
});

// How many a segment means, as it is typed.
const expr = document.querySelector("[data-count]");
if (expr) {
  let soon;
  const out = $("segment-count");
  expr.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(async () => {
      if (!expr.value.trim()) return;
      const answer = await fetch(`${expr.dataset.count}?expr=${encodeURIComponent(expr.value)}`, { credentials: "same-origin" }).catch(() => null);
      const said = await answer?.json().catch(() => null);
      if (!said) return;
      const words = document.createElement(answer.ok ? "b" : "span");
      words.className = answer.ok ? "big" : "error";
      words.textContent = answer.ok ? said.count : expr.dataset.unreadable;
      out.replaceChildren(words, answer.ok ? ` ${expr.dataset.people}` : "");
    }, 250);
  });
}

// The app on a phone: notifications after a tap, never before.
if ("serviceWorker" in navigator && isSecureContext) {
  const main = $("main"), csrf = main?.dataset.csrf;
  const tell = (method, subscription) => fetch("/api/push/subscriptions", { method, credentials: "same-origin", headers: { "content-type": "application/json", "x-csrf-token": csrf }, body: JSON.stringify(subscription.toJSON()) });
  if (csrf) navigator.serviceWorker.register("/sw.js").then(async (registration) => {
    const state = document.querySelector("[data-push-state]"), button = document.querySelector("[data-push]");
    const there = await registration.pushManager?.getSubscription();
    if (there) tell("POST", there).catch(() => {}); // browsers change them without a word
    if (!state) return;
    const ios = /iPhone|iPad/.test(navigator.userAgent) && !navigator.standalone;
    if (!registration.pushManager) { state.textContent = ios ? state.dataset.ios : state.dataset.none; return; }
    const show = (on) => { state.textContent = Notification.permission === "denied" ? state.dataset.denied : on ? state.dataset.on : state.dataset.off; button.hidden = on || Notification.permission === "denied"; };
    show(Boolean(there));
    button.onclick = async () => {
      if (await Notification.requestPermission() !== "granted") { show(false); return; }
      const { key } = await (await fetch("/api/push/key", { credentials: "same-origin" })).json();
      const bytes = Uint8Array.from(atob(key.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
      const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes });
      show((await tell("POST", subscription)).ok);
    };
  }).catch(() => {});
}

// A changed form asks before it is left.
const form = $("package-form");
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

// A page that shows a long job looks again until it is done.
const job = document.querySelector("[data-reload]");
if (job) setTimeout(() => location.reload(), Number(job.dataset.reload));

// A menu opens at its button; on a phone it is a sheet (CSS).
for (const menu of document.querySelectorAll(".menu[popover]")) {
  menu.addEventListener("toggle", (event) => {
    if (event.newState !== "open" || innerWidth < 720) return;
    const opener = document.querySelector(`[popovertarget="${menu.id}"]`);
    if (!opener) return;
    const at = opener.getBoundingClientRect(), size = menu.getBoundingClientRect();
    menu.style.setProperty("left", `${Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8))}px`);
    menu.style.setProperty("top", `${at.bottom + size.height + 8 > innerHeight ? Math.max(8, at.top - size.height - 6) : at.bottom + 6}px`);
  });
}
