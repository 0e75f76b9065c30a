-- Print what a run gave as one line of JSON, which run.py reads. Loaded by every other script.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "\nRESULT {\"answers\":%d,\"bytes\":%d,\"duration_us\":%d,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
      .. "\"errors\":{\"connect\":%d,\"read\":%d,\"write\":%d,\"status\":%d,\"timeout\":%d}}\n",
    summary.requests, summary.bytes, summary.duration, latency:percentile(50.0), latency:percentile(99.0), latency.max,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
