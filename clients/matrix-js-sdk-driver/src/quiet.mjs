// Standard output carries answers and nothing else: what the SDK has to say goes to standard error, if `DRIVER_LOG` is set.

const say = process.env.DRIVER_LOG ? (...words) => process.stderr.write(`${words.map(String).join(" ")}\n`) : () => {};
for (const level of ["trace", "debug", "log", "info", "warn", "error"]) console[level] = say;
