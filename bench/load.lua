-- The requests of one run, for wrk: 64 heads in turn that differ in their User-Agent, in text and length, with bodies that
-- are up to 12 bytes shorter or longer than asked for. With fresh heads each request has a number in its head too, as those of a client with
-- tracing have, so that nobody wins by remembering heads. What wrk counted is printed as one line of JSON.

local before, after, turn, fresh = {}, {}, 0, true

function init(arguments)
  local key, pause_ms, mean = arguments[1], tonumber(arguments[2]), tonumber(arguments[4])
  fresh = arguments[3] == "fresh"
  turn = os.time() % 100000 * 10000000 -- so that the next run has other numbers
  if pause_ms > 0 then
    delay = function() return math.random(0, 2 * pause_ms) end -- wrk asks before each request of a connection
  end
  for i = 0, 63 do
    local size = mean - 12 + 6 * (i % 5)
    local start = string.format('{"data": [%d, ', i)
    local body = start .. string.rep("0", size - #start - 2) .. "]}"
    local headers = {
      ["Authorization"] = "Bearer " .. key,
      ["Content-Type"] = "application/json",
      ["User-Agent"] = string.format("bench-client/%d.%d (run; %s)", i, i * 7 % 10, string.rep("x", i % 9)),
      ["X-Turn"] = "@",
    }
    before[i], after[i] = wrk.format("POST", nil, headers, body):match("^(.-)@(.*)$")
  end
end

function request()
  turn = turn + 1
  local i = turn % 64
  return before[i] .. (fresh and string.format("%012d", turn) or "000000000000") .. after[i]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
