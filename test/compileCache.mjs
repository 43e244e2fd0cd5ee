// Loaded first in every process of tests: what V8 made of the packages is kept for the next file. Not by
// NODE_COMPILE_CACHE, which the hosts that tests start would inherit, and they keep a cache of their own.
import * as module from "node:module"
import * as path from "node:path"

module.enableCompileCache(path.join(import.meta.dirname, "..", "node_modules", ".cache", "syris-tests"))
// A process that is ended by a signal would write nothing.
setTimeout(() => module.flushCompileCache(), 3_000).unref()
