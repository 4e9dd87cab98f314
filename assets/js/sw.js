// The service worker: shows what the server pushes, and a page of our own while there is no connection.

const CACHE = "kafilah-1";
const OFFLINE = "/offline";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([OFFLINE, "/assets/css/tokens.css", "/assets/css/app.css"])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  if (event.request.mode === "navigate" && event.request.method === "GET") {
    event.respondWith(fetch(event.request).catch(() => caches.match(OFFLINE)));
  } else if (new URL(event.request.url).pathname.startsWith("/assets/css/")) {
    event.respondWith(fetch(event.request).catch(() => caches.match(event.request, { ignoreSearch: true })));
  }
});

self.addEventListener("push", (event) => {
  let said = {};
  try { said = event.data.json(); } catch { /* a push without words still shows */ }
  event.waitUntil(self.registration.showNotification(said.title ?? "Kafilah", {
    body: said.body ?? "", tag: said.tag, data: { url: said.url ?? "/" }, icon: "/assets/img/icon-192.png", badge: "/assets/img/icon-192.png", timestamp: said.ts, renotify: Boolean(said.tag),
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data?.url ?? "/", self.location.origin);
  if (url.origin !== self.location.origin) return;
  event.waitUntil(self.clients.matchAll({ type: "window" }).then((open) => {
    const same = open.find((client) => new URL(client.url).pathname === url.pathname) ?? open[0];
    return same ? same.focus().then((client) => client.navigate(url.href)) : self.clients.openWindow(url.href);
  }));
});
