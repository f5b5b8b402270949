// What matrix-js-sdk uses of newer Nodes and Node 20 has not.

Promise.withResolvers ??= function () {
  const parts = {};
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};
