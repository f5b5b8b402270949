// Waiting for something that another party does.

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The first truthy result of `look`, which is asked again and again for `timeout` milliseconds. */
export async function until(look, timeout, otherwise) {
  const end = Date.now() + timeout;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(typeof otherwise === "function" ? otherwise() : otherwise);
    await pause(50);
  }
}
