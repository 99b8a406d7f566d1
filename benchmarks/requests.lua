-- wrk: send the requests of a file in turn, and print what came of it as JSON.
-- Arguments: method, path, file. A request is two lines: token, body.

local prepared, current = {}, 0

function init(args)
  local lines = io.lines(args[3])
  for token in lines do
    local body, headers = lines(), { ["Authorization"] = "Bearer " .. token }
    if body == "" then body = nil else headers["Content-Type"] = "application/json" end
    prepared[#prepared + 1] = wrk.format(args[1], args[2], headers, body)
  end
end

function request()
  current = current % #prepared + 1
  return prepared[current]
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
