-- Charges all buckets of a call, or none, by this server's clock.
--
-- KEYS  the buckets.
-- ARGV  look (1: charge nothing), cost, then ten values for each bucket:
--         kind         x: charges exactly; l: takes a lease; g: returns a lease; u: returns `cost`
--         t, p         t tokens refill in p microseconds
--         cap, window  the capacity; 1: counts per window of p
--         and of the caller's lease: made (identifies the bucket), epoch, used, held; want (size of the next lease)
-- Returns granted, then for each bucket: tokens, fraction (in 1/p), remaining microseconds of the window,
-- and the lease: held, made, epoch, microseconds of its validity. The last integer is this server's time in
-- microseconds.
--
-- Leased tokens still belong to the bucket: it fills up to `cap` minus the leased tokens, so that all callers
-- together admit exactly what one bucket would have admitted. A lease belongs to an epoch of TERM and may be
-- used until the end of the next epoch; tokens that were not accounted for by then count as used.
--
-- Numbers are integers below 2^53, which Lua represents exactly.

local TERM = 2000000
local LONGEST = 315360000000 -- ten years, in milliseconds
local WORDS = 10

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local this_epoch = math.floor(now / TERM)
local look, cost = ARGV[1] == '1', tonumber(ARGV[2])

-- Returns a * b / m as an integer, and the remainder, for a and m below 2^42; at most `most`.
local function share(a, b, m, most)
  local digits = {}
  while b > 0 do
    local digit = b % 1024
    digits[#digits + 1], b = digit, (b - digit) / 1024
  end
  local whole, rest = 0, 0
  for place = #digits, 1, -1 do
    local part = rest * 1024 + a * digits[place]
    rest = math.fmod(part, m)
    whole = whole * 1024 + (part - rest) / m
    if whole > most then return most, 0 end
  end
  return whole, rest
end

local function fresh(ask)
  return { w = ask.cap, f = 0, at = now, made = now, e = this_epoch, o1 = 0, o0 = 0,
           t = ask.t, p = ask.p, cap = ask.cap, window = ask.window }
end

local FIELDS = { 'w', 'f', 'at', 'made', 'e', 'o1', 'o0', 't', 'p', 'cap', 'window' }

-- Reads a bucket; a key with other content is treated as absent.
local function read(key, ask)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' then return fresh(ask) end
  local state, n = {}, 0
  for word in string.gmatch(text, '%S+') do
    n = n + 1
    if FIELDS[n] then state[FIELDS[n]] = tonumber(word) end
  end
  if n ~= #FIELDS or not state.window then return fresh(ask) end
  return state
end

local function fill(s, moment)
  if s.window == 1 then
    if moment - s.at >= s.p then
      s.w, s.f, s.at, s.made, s.o1, s.o0 = s.cap, 0, moment, moment, 0, 0
    end
    return
  end
  if moment <= s.at then return end
  local passed, most = moment - s.at, math.max(s.cap - s.o1 - s.o0, 0)
  s.at = moment
  if s.w < most then
    local whole, rest = share(s.t, passed, s.p, most)
    s.w, s.f = s.w + whole, s.f + rest
    if s.f >= s.p then s.w, s.f = s.w + 1, s.f - s.p end
    s.w = math.min(s.w, most)
  end
  if s.w >= most then s.f = 0 end
end

-- Moves the times of a bucket that are in the future to the present. They are in the future if the clock was put
-- back, or after a fail-over to a server whose clock is behind. The bucket keeps its tokens and fills from now on,
-- so it opens within its own period. Leases keep their whole validity, which is up to two epochs.
local function rebase(s)
  if s.at > now then s.at, s.moved = now, true end
  if s.e > this_epoch + 1 then
    s.e, s.o1, s.o0, s.moved = this_epoch + 1, s.o1 + s.o0, 0, true
  end
end

-- Updates a bucket to the current time. Expired leases make room from the moment of their expiry.
local function settle(s)
  rebase(s)
  if s.window == 1 then fill(s, now) end
  while s.e < this_epoch and s.o1 + s.o0 > 0 do
    s.e = s.e + 1
    if s.window == 0 then fill(s, s.e * TERM) end
    s.o1, s.o0 = 0, s.o1
  end
  s.e = math.max(s.e, this_epoch)
  fill(s, now)
end

-- Tokens used under the old limit stay used under the new one.
local function adopt(s, ask)
  if s.t == ask.t and s.p == ask.p and s.cap == ask.cap and s.window == ask.window then return end
  local spent = s.cap - s.w
  if s.window ~= ask.window or ask.window == 1 then s.made, s.o1, s.o0 = now, 0, 0 end
  s.t, s.p, s.cap, s.window = ask.t, ask.p, ask.cap, ask.window
  s.w, s.f, s.at = math.max(s.cap - spent, 0), 0, now
end

-- Removes the caller's lease from the leased tokens; an expired lease counts as empty.
local function account(s, ask)
  local back = ask.used + ask.held
  if ask.made == s.made and ask.epoch == s.e then
    s.o1 = math.max(s.o1 - back, 0)
  elseif ask.made == s.made and ask.epoch == s.e - 1 then
    s.o0 = math.max(s.o0 - back, 0)
  else
    ask.held = 0
  end
end

local function write(key, s)
  local out = s.o1 + s.o0
  if s.w >= s.cap and out == 0 then return redis.call('DEL', key) end
  local last = s.window == 1 and s.at + s.p - now or (s.cap - s.w) * s.p / s.t
  if out > 0 then last = math.max(last, 2 * TERM) end
  local words = {}
  for n, field in ipairs(FIELDS) do words[n] = string.format('%.0f', s[field]) end
  local life = string.format('%.0f', math.min(math.ceil(last / 1000) + 1, LONGEST))
  redis.call('SET', key, table.concat(words, ' '), 'PX', life)
end

local asks, states, granted = {}, {}, true
for n, key in ipairs(KEYS) do
  local at = 2 + (n - 1) * WORDS
  local ask = { kind = ARGV[at + 1] }
  for place, field in ipairs({ 't', 'p', 'cap', 'window', 'made', 'epoch', 'used', 'held', 'want' }) do
    ask[field] = tonumber(ARGV[at + 1 + place])
  end
  local state = read(key, ask)
  settle(state)
  adopt(state, ask)
  if ask.kind == 'x' or ask.kind == 'u' then ask.held = 0 else account(state, ask) end
  asks[n], states[n] = ask, state
  granted = granted and (ask.kind == 'u' or state.w + ask.held >= cost)
end

local function take(s, ask)
  if ask.kind == 'u' then
    -- A window that has ended since then takes no tokens back.
    if s.window == 0 or s.made == ask.made then
      s.w = math.max(s.w, math.min(s.w + cost, s.cap - s.o1 - s.o0))
    end
  elseif ask.kind == 'g' then
    s.w = math.max(s.w, math.min(s.w + ask.held, s.cap - s.o1 - s.o0))
    ask.held = 0
  elseif granted and ask.kind == 'x' then
    s.w = s.w - cost
  elseif granted then
    local more = math.min(s.w, math.max(ask.want - ask.held, 0))
    s.w, ask.held = s.w - more, ask.held + more - cost
  end
  s.o1 = s.o1 + ask.held
end

local answer = { granted and 1 or 0 }
for n, key in ipairs(KEYS) do
  local ask, s = asks[n], states[n]
  if not look then take(s, ask) end
  if not look or s.moved then write(key, s) end
  local left = s.window == 1 and s.at + s.p - now or 0
  local life = (s.e + 2) * TERM - now
  if s.window == 1 then life = math.min(life, left) end
  for _, value in ipairs({ s.w, s.f, left, ask.held, s.made, s.e, life }) do
    answer[#answer + 1] = value
  end
end
answer[#answer + 1] = now
return answer
