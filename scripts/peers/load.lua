-- wrk's script for `lensmeter bench metering`: posts one body, each request under the next of the keys, and ends with one
-- line of JSON. Environment: BODY and KEYS name files (KEYS: one API key a line), CONTENT_TYPE the body's type; with IDEMPOTENT
-- each request has a key that begins with it and ends with the request's number.

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local requests, at = {}, 0
-- Where the number stands in a request, and how many were sent.
local number, sent = ("0"):rep(16), 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  local body, kind = read(os.getenv("BODY")), os.getenv("CONTENT_TYPE")
  for key in read(os.getenv("KEYS")):gmatch("%S+") do
    local headers = { ["Content-Type"] = kind, ["Authorization"] = "Bearer " .. key }
    local run = os.getenv("IDEMPOTENT")
    if run then headers["Idempotency-Key"] = run .. "-" .. number end
    local text = wrk.format("POST", nil, headers, body)
    local first, last = text:find("-" .. number, 1, true)
    table.insert(requests, first and { text:sub(1, first), text:sub(last + 1) } or text)
  end
  at = math.random(#requests)
  refused = 0
end

function request()
  at = at % #requests + 1
  local text = requests[at]
  if type(text) == "string" then return text end
  sent = sent + 1
  return text[1] .. string.format("%016d", sent) .. text[2]
end

function response(status)
  if status ~= 200 then refused = refused + 1 end
end

function done(summary, latency)
  local sum = 0
  for _, thread in ipairs(threads) do sum = sum + thread:get("refused") end
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('{"requests":%d,"microseconds":%d,"refused":%d,"errors":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, sum, errors, latency:percentile(50), latency:percentile(99)))
end
