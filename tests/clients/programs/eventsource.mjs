// npm's eventsource, which reconnects by itself and sends Last-Event-ID.
import { EventSource } from "eventsource";

const { GATEWAY, KEY, FILTER } = process.env;
const source = new EventSource(`${GATEWAY}/v1/stream?${FILTER}&cursor=earliest`, {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${KEY}` } }),
});
for (const name of ["hello", "story", "gap", "checkpoint"]) {
  source.addEventListener(name, (event) => {
    console.log(JSON.stringify({ event: name, data: JSON.parse(event.data) }));
  });
}
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) process.exit(1); // it never comes back from there
});
setInterval(() => {}, 60_000); // while it waits to come back, nothing of its own keeps node alive
