-- Charges all buckets of a call, or none, by this server's clock.
--
-- KEYS  the buckets.
-- ARGV  look (1: charge nothing), cost, then ten values for each bucket:
--         kind         x: charges exactly; l: takes a lease; g: returns a lease; u: returns `cost`
--         a            0: token bucket; 1: fixed window; 2: sliding window
--         t, p         t tokens in p microseconds
--         cap          the capacity
--         and of the caller's lease: made (identifies the bucket), epoch, used, held; want (size of the next lease).
--         For u, epoch is the time of the charge
-- Returns granted, then for each bucket: tokens (below 0 if more is spent than the limit allows), fraction (in 1/p),
-- microseconds until it is full at the latest and until it has room for the cost (of a window), and the lease: held,
-- made, epoch, microseconds of its validity. The last integer is this server's time in microseconds.
--
-- A bucket is what was spent; its room is computed by the limit of each call. So a change of the limit forgets nothing.
-- Leased tokens still belong to the bucket: its room is `cap` minus the spent and the leased tokens, so that all
-- callers together admit exactly what one bucket would have admitted. A lease belongs to an epoch of TERM and may be
-- used until the end of the next epoch; tokens that were not accounted for by then count as spent.
--
-- Numbers are integers below 2^53, which Lua represents exactly. core's `limit/local/bucket.rs` computes the same.

local TOKEN, FIXED, SLIDING = 0, 1, 2
local TERM = 2000000
local LONGEST = 315360000000000 -- ten years, in microseconds
local UNBOUNDED = 4503599627370496
local WORDS = 10
local SLOTS, MAX_SLOTS = 32, 40
local MAX_WINDOWS = 3

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

-- n: spent tokens, f: fraction of a spent token; at: the time that these refer to; left: time from `at` on until they
-- count no longer, or the window ends; p: for a sliding window, the longest period that its slots are kept for. A slot of
-- a fixed window is a window of another period than p, which it lasts: it begins at `first` and ends at `last`.
local FIELDS = { 'a', 'n', 'f', 'at', 'left', 't', 'p', 'made', 'e', 'o1', 'o0' }

local function fresh(ask)
  return { a = ask.a, n = 0, f = 0, at = now, left = 0, t = ask.t, p = ask.p, made = now, e = this_epoch,
           o1 = 0, o0 = 0, slots = {} }
end

-- Reads a bucket; a key with other content is treated as absent.
local function read(key, ask)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' then return fresh(ask) end
  local words = {}
  for word in string.gmatch(text, '%S+') do
    local number = tonumber(word)
    if not number then return fresh(ask) end
    words[#words + 1] = number
  end
  if #words < #FIELDS or (#words - #FIELDS) % 3 ~= 0 then return fresh(ask) end
  local s = { slots = {} }
  for place, field in ipairs(FIELDS) do s[field] = words[place] end
  for place = #FIELDS + 1, #words, 3 do
    local last = s.at - words[place]
    s.slots[#s.slots + 1] = { first = last - words[place + 1], last = last, n = words[place + 2] }
  end
  return s
end

-- Returns the time in which a token bucket refills what is spent.
local function settled_in(s)
  local whole, rest = share(s.n, s.p, s.t, LONGEST)
  return math.min(whole + math.ceil((rest + s.f) / s.t), LONGEST)
end

-- Spends tokens.
local function add(s, ask, tokens)
  if tokens <= 0 then return end
  if s.a == TOKEN then
    s.n = s.n + tokens
    s.left = math.max(s.left, settled_in(s))
  elseif s.a == FIXED then
    if s.left == 0 then s.left = s.p end
    s.n = s.n + tokens
    for _, window in ipairs(s.slots) do
      if window.last > s.at then
        window.n = window.n + tokens
      else
        window.first, window.last, window.n = s.at, s.at + window.last - window.first, tokens
      end
    end
  else
    local newest, width = s.slots[#s.slots], math.max(math.floor(ask.p / SLOTS), 1)
    if newest and s.at - newest.first < width then
      newest.last, newest.n = s.at, newest.n + tokens
    else
      table.insert(s.slots, { first = s.at, last = s.at, n = tokens })
    end
    if #s.slots > MAX_SLOTS then
      local oldest = table.remove(s.slots, 1)
      s.slots[1].first, s.slots[1].n = oldest.first, s.slots[1].n + oldest.n
    end
  end
end

-- Returns whether a window of another period than the present one has not ended.
local function has_others(s)
  for _, window in ipairs(s.slots) do
    if window.last > s.at then return true end
  end
  return false
end

local function fill(s, moment)
  local passed = moment - s.at
  if passed <= 0 then return end
  s.at = moment
  if s.a == SLIDING then
    while s.slots[1] and s.slots[1].last + s.p <= moment do table.remove(s.slots, 1) end
    return
  end
  s.left = s.left - passed
  if s.left <= 0 then
    s.n, s.f, s.left = 0, 0, 0
    -- Leases end with the last window.
    if s.a == FIXED and not has_others(s) then s.made, s.o1, s.o0, s.slots = moment, 0, 0, {} end
  elseif s.a == TOKEN then
    local whole, rest = share(s.t, passed, s.p, s.n + 1)
    if whole > s.n or (whole == s.n and rest >= s.f) then
      s.n, s.f, s.left = 0, 0, 0
    else
      s.n, s.f = s.n - whole, s.f - rest
      if s.f < 0 then s.n, s.f = s.n - 1, s.f + s.p end
    end
  end
end

-- Moves the times of a bucket that are in the future to the present. They are in the future if the clock was put
-- back, or after a fail-over to a server whose clock is behind. The bucket keeps its tokens and fills from now on,
-- so it opens within its own period. Leases keep their whole validity, which is up to two epochs.
local function rebase(s)
  local ahead = s.at - now
  if ahead > 0 then
    s.at, s.moved = now, true
    for _, slot in ipairs(s.slots) do slot.first, slot.last = slot.first - ahead, slot.last - ahead end
  end
  if s.e > this_epoch + 1 then
    s.e, s.o1, s.o0, s.moved = this_epoch + 1, s.o1 + s.o0, 0, true
  end
end

-- Updates a bucket to the current time. Expired leases are spent at the moment of their expiry.
local function settle(s, ask)
  rebase(s)
  while s.e < this_epoch and s.o1 + s.o0 > 0 do
    s.e = s.e + 1
    fill(s, s.e * TERM)
    add(s, ask, s.o0)
    s.o1, s.o0 = 0, s.o1
  end
  s.e = math.max(s.e, this_epoch)
  fill(s, now)
end

-- Returns all tokens that are spent, and the time until none of them counts.
local function total(s)
  if s.a == FIXED then
    local tokens, left = s.left > 0 and s.n or 0, s.left
    for _, window in ipairs(s.slots) do
      if window.last > s.at then
        tokens, left = math.max(tokens, window.n), math.max(left, window.last - s.at)
      end
    end
    return tokens, left
  end
  if s.a == TOKEN then return s.n + (s.f > 0 and 1 or 0), s.left end
  local tokens, newest = 0, s.slots[#s.slots]
  for _, slot in ipairs(s.slots) do tokens = tokens + slot.n end
  return tokens, newest and newest.last + s.p - s.at or 0
end

-- Makes the window of a period the present one. A new one begins when the open one of the next longer period does, or
-- the one of the longest.
local function adopt_window(s, p)
  if s.left == 0 and not s.slots[1] then return end
  table.insert(s.slots, { first = s.at + s.left - s.p, last = s.at + s.left, n = s.n })
  local known, longer, longest
  for place, window in ipairs(s.slots) do
    local length = window.last - window.first
    if length == p then known = place end
    if window.last > s.at then
      if length > p and (not longer or length < longer.last - longer.first) then longer = window end
      if not longest or length > longest.last - longest.first then longest = window end
    end
  end
  local ends, tokens = 0, 0
  if known then
    local window = table.remove(s.slots, known)
    ends, tokens = window.last, window.n
  elseif longest then
    local window = longer or longest
    ends, tokens = window.first + p, window.n
  end
  s.n, s.left = 0, 0
  if ends > s.at then s.n, s.left = tokens, ends - s.at end
  if #s.slots > MAX_WINDOWS then
    local shortest = 1
    for place, window in ipairs(s.slots) do
      local other = s.slots[shortest]
      if window.last - window.first < other.last - other.first then shortest = place end
    end
    table.remove(s.slots, shortest)
  end
end

-- Applies the limit of this call. What is spent stays spent; if the algorithm changes, leases count as spent too.
local function adopt(s, ask)
  if s.a ~= ask.a then
    local tokens, left = total(s)
    if s.o1 + s.o0 > 0 then
      tokens = tokens + s.o1 + s.o0
      left = math.max(left, 2 * TERM + math.min(math.ceil(ask.cap * ask.p / ask.t), LONGEST))
    end
    s.a, s.n, s.f, s.left, s.t, s.p = ask.a, tokens, 0, left, ask.t, ask.p
    s.made, s.o1, s.o0, s.slots = math.max(now, s.made + 1), 0, 0, {}
    if s.a == SLIDING then
      s.p, s.n, s.left = math.max(ask.p, left), 0, 0
      local at = s.at + left - s.p
      if tokens > 0 then s.slots[1] = { first = at, last = at, n = tokens } end
    elseif s.a == FIXED and left > ask.p then
      s.left = ask.p
      s.slots[1] = { first = s.at, last = s.at + left, n = tokens }
    end
  elseif s.a == TOKEN and (s.t ~= ask.t or s.p ~= ask.p) then
    local whole, rest = share(s.f, ask.p, s.p, ask.p)
    s.f = whole + (rest > 0 and 1 or 0)
    if s.f >= ask.p then s.n, s.f = s.n + 1, 0 end
    s.t, s.p = ask.t, ask.p
  elseif s.a == FIXED then
    if s.p ~= ask.p then adopt_window(s, ask.p) end
    s.t, s.p = ask.t, ask.p
  elseif s.a == SLIDING and s.slots[1] then
    s.p = math.max(s.p, ask.p)
  else
    s.t, s.p = ask.t, ask.p
  end
end

-- Returns the tokens that count in a period.
local function spent(s, period)
  local tokens = 0
  for place = #s.slots, 1, -1 do
    local slot = s.slots[place]
    if slot.last + period <= s.at then break end
    tokens = tokens + slot.n
  end
  return tokens
end

-- Returns the tokens that are left, and the fraction of one.
local function room(s, ask)
  local tokens = ask.cap - s.o1 - s.o0
  if s.a == SLIDING then return tokens - spent(s, ask.p), 0 end
  if s.f > 0 then return tokens - s.n - 1, s.p - s.f end
  return tokens - s.n, 0
end

-- Removes the caller's lease from the leased tokens; an expired lease counts as empty.
local function account(s, ask)
  local back = ask.used + ask.held
  if ask.made == s.made and ask.epoch == s.e then
    s.o1 = math.max(s.o1 - back, 0)
    add(s, ask, ask.used)
  elseif ask.made == s.made and ask.epoch == s.e - 1 then
    s.o0 = math.max(s.o0 - back, 0)
    add(s, ask, ask.used)
  else
    ask.held = 0
  end
end

local function write(key, s)
  local out, tokens, last = s.o1 + s.o0, total(s)
  if tokens == 0 and out == 0 then return redis.call('DEL', key) end
  if out > 0 then
    local more = s.a == TOKEN and out * s.p / s.t or s.p
    last = last + 2 * TERM + math.min(more, LONGEST)
  end
  local words = {}
  for n, field in ipairs(FIELDS) do words[n] = string.format('%.0f', s[field]) end
  for _, slot in ipairs(s.slots) do
    words[#words + 1] = string.format('%.0f %.0f %.0f', s.at - slot.last, slot.last - slot.first, slot.n)
  end
  local life = string.format('%.0f', math.min(math.ceil(last / 1000) + 1, LONGEST / 1000))
  redis.call('SET', key, table.concat(words, ' '), 'PX', life)
end

local asks, states, granted = {}, {}, true
for n, key in ipairs(KEYS) do
  local at = 2 + (n - 1) * WORDS
  local ask = { kind = ARGV[at + 1] }
  for place, field in ipairs({ 'a', 't', 'p', 'cap', 'made', 'epoch', 'used', 'held', 'want' }) do
    ask[field] = tonumber(ARGV[at + 1 + place])
  end
  local state = read(key, ask)
  settle(state, ask)
  adopt(state, ask)
  if ask.kind == 'x' or ask.kind == 'u' then ask.held = 0 else account(state, ask) end
  asks[n], states[n] = ask, state
  granted = granted and (ask.kind == 'u' or room(state, ask) >= cost)
end

-- Takes back the cost of a call that was charged at `charged`. A window that has begun since then did not count it.
local function undo(s, ask)
  local charged = ask.epoch
  if s.a == SLIDING then
    local tokens = cost
    for place = #s.slots, 1, -1 do
      local slot = s.slots[place]
      local back = math.min(slot.n, tokens)
      slot.n, tokens = slot.n - back, tokens - back
      if slot.n == 0 then table.remove(s.slots, place) end
    end
  elseif s.a == TOKEN then
    s.n = s.n - cost
    if s.n < 0 or (s.n == 0 and s.f == 0) then s.n, s.f, s.left = 0, 0, 0 end
  elseif s.made == ask.made then
    if s.left > 0 and s.at + s.left - s.p <= charged then s.n = math.max(s.n - cost, 0) end
    for _, window in ipairs(s.slots) do
      if window.last > s.at and window.first <= charged then window.n = math.max(window.n - cost, 0) end
    end
  end
end

local function take(s, ask)
  local free = room(s, ask)
  if ask.kind == 'u' then
    undo(s, ask)
  elseif ask.kind == 'g' then
    ask.held = 0
  elseif granted then
    add(s, ask, cost)
    if ask.kind == 'l' then ask.held = math.min(free, math.max(ask.held, ask.want)) - cost end
  else
    ask.held = math.min(ask.held, math.max(free, 0))
  end
  s.o1 = s.o1 + ask.held
  if s.a == FIXED and s.left == 0 and ask.held > 0 then s.left = ask.p end
end

-- Returns the times until the bucket is full and has room for the cost.
local function waits(s, ask)
  local out = s.o1 + s.o0
  if s.a == TOKEN then return out == 0 and s.left or UNBOUNDED, 0 end
  if s.a == FIXED then return s.left, s.left end
  local newest, reset, retry = s.slots[#s.slots], 0, 0
  if newest then reset = math.max(newest.last + ask.p - s.at, 0) end
  if out > 0 then reset = ask.p end
  local missing = spent(s, ask.p) + out + cost - ask.cap
  for _, slot in ipairs(s.slots) do
    if missing <= 0 then break end
    local left = slot.last + ask.p - s.at
    if left > 0 then missing, retry = missing - slot.n, left end
  end
  if missing > 0 then retry = ask.p end
  return reset, retry
end

local answer = { granted and 1 or 0 }
for n, key in ipairs(KEYS) do
  local ask, s = asks[n], states[n]
  if not look then take(s, ask) end
  if not look or s.moved then write(key, s) end
  local tokens, fraction = room(s, ask)
  local reset, retry = waits(s, ask)
  local life = (s.e + 2) * TERM - now
  if s.a == FIXED then life = math.min(life, s.left) end
  for _, value in ipairs({ tokens, fraction, reset, retry, ask.held, s.made, s.e, life }) do
    answer[#answer + 1] = value
  end
end
answer[#answer + 1] = now
return answer
