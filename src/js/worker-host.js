// Runs in the worker: does what worker.js asks for, requests included, and answers. It stands alone, with the module
// inside, so that its own response can carry the one Content-Security-Policy that allows WebAssembly.
import * as cardseal from "./inline.js";

const objects = new Map();
const aborts = new Map();

self.onmessage = async ({ data: [id, target, name, args, signalAt] }) => {
  try {
    self.postMessage([id, await run(id, target, name, args, signalAt)]);
  } catch (error) {
    self.postMessage([id, undefined, { ...error, message: error.message }]);
  }
};

async function run(id, target, name, args, signalAt) {
  if (name === "new") {
    // What the constructor throws is thrown by the first call.
    const [kind, options] = args;
    try {
      objects.set(target, new cardseal[kind](options));
    } catch (error) {
      objects.set(target, error);
    }
    return undefined;
  }
  if (name === "abort") return aborts.get(target)?.abort();
  const object = target ? objects.get(target) : cardseal;
  if (name === "free") objects.delete(target);
  if (object instanceof Error && name !== "free") throw object;
  if (!object) {
    if (name === "free") return undefined;
    throw new cardseal.CardsealError({ code: "type_invalid", message: "the object has been freed", field: "this" });
  }
  if (signalAt >= 0) {
    aborts.set(id, new AbortController());
    args[signalAt].signal = aborts.get(id).signal;
  }
  try {
    const found = object[name];
    return await (typeof found === "function" ? object[name](...args) : found);
  } finally {
    aborts.delete(id);
  }
}
