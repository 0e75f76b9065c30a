-- One connection for each request. The body of an answer is the id of the process that gave it: "shares" counts them.
wrk.headers["Connection"] = "close"
answered = {}
local all = {}
function setup(thread)
  table.insert(all, thread)
end
function response(status, headers, body)
  answered[body] = (answered[body] or 0) + 1
end
function done(summary, latency, requests)
  local shares = {}
  for _, thread in ipairs(all) do
    for pid, count in pairs(thread:get("answered")) do
      table.insert(shares, string.format("\"%s\":%d", pid, count))
    end
  end
  local errors = summary.errors
  io.write(string.format(
    "\nRESULT {\"answers\":%d,\"duration_us\":%d,\"p50_us\":%.1f,\"p99_us\":%.1f,\"errors\":{\"lost\":%d,\"status\":%d},\"shares\":{%s}}\n",
    summary.requests, summary.duration, latency:percentile(50.0), latency:percentile(99.0),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status, table.concat(shares, ",")))
end
