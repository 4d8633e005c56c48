// Loaded with --import before a child's own script: ask the child to stop once its parent has gone.
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.on("error", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
process.stdin.unref(); // a script that has closed everything ends, watched or not
