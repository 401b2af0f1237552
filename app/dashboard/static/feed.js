// What happens now at all workers, as the gateway tells it.

/**
 * Have `show` told at once and whenever something has changed, and `lost` where the connection is broken, with whether it is for
 * good. While nobody looks at the page nothing is asked. Gives what ends it.
 */
export function follow(show, lost = () => {}) {
  let source = null;

  function open() {
    if (source) return;
    source = new EventSource("/admin/api/live/stream");
    source.onmessage = (event) => show(JSON.parse(event.data));
    source.onerror = () => lost(source.readyState === EventSource.CLOSED);
  }

  function close() {
    source?.close();
    source = null;
  }

  const look = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    close();
  };
}
