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
-- What is spent is counted in an account for each rate of a token bucket, in one for fixed windows, and in one for sliding
-- windows. A charge counts in all of them, and each refills by its own rate alone, so that no call refills what another
-- limit counts. Nearly all buckets have one account.
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
local MAX_OTHERS = 7
-- Stands before the accounts of a bucket that has none of a token bucket.
local WINDOWS_ALONE = 1

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
-- Fields of an account. The bucket itself has those of the account of the last limit. cap: the largest capacity of the
-- limits that it counted for.
local ACCOUNT = { 'a', 'n', 'f', 'left', 't', 'p', 'cap', 'slots' }

local function fresh(ask)
  return { a = ask.a, n = 0, f = 0, at = now, left = 0, t = ask.t, p = ask.p, made = now, e = this_epoch,
           o1 = 0, o0 = 0, cap = ask.cap, slots = {}, others = {} }
end

-- Returns the tokens of a token bucket that are spent, rounded up.
local function debt(s)
  return s.n + (s.f > 0 and 1 or 0)
end

-- Returns the time in which a token bucket refills what is spent.
local function settled_in(s)
  local whole, rest = share(s.n, s.p, s.t, LONGEST)
  return math.min(whole + math.ceil((rest + s.f) / s.t), LONGEST)
end

-- Raises what is spent of a token bucket to at least so many tokens.
local function raise(s, tokens)
  if tokens <= debt(s) then return end
  s.n, s.f = tokens, 0
  s.left = math.max(s.left, settled_in(s))
end

-- Returns whether a / b is at most c / d, exactly.
local function at_most(a, b, c, d)
  local rest, other = math.fmod(a, b), math.fmod(c, d)
  local one, two = (a - rest) / b, (c - other) / d
  if one ~= two then return one < two end
  if rest == 0 or other == 0 then return rest == 0 end
  return at_most(d, other, b, rest)
end

-- Returns the most that charges raise a token bucket to: the largest capacity of the limits whose rate is no higher. More
-- would keep calls from passing for longer than such a bucket takes to fill, however much passed under a higher rate.
local function most(s, account)
  local tokens = account.cap
  local function compare(other)
    if other.cap > tokens and at_most(other.t, other.p, account.t, account.p) then tokens = other.cap end
  end
  compare(s)
  for _, other in ipairs(s.others) do compare(other) end
  return tokens
end

-- Spends tokens of one account.
local function charge(s, p, tokens)
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
    local newest, width = s.slots[#s.slots], math.max(math.floor(p / SLOTS), 1)
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

-- Spends tokens of all accounts.
local function add(s, ask, tokens)
  if tokens <= 0 then return end
  if not s.others[1] then return charge(s, ask.p, tokens) end
  local function spend(account, p)
    if account.a ~= TOKEN then return charge(account, p, tokens) end
    local limit = most(s, account)
    if debt(account) + tokens <= limit then charge(account, p, tokens) else raise(account, limit) end
  end
  for _, other in ipairs(s.others) do spend(other, other.p) end
  spend(s, ask.p)
end

-- Returns whether a window of another period than the present one has not ended.
local function has_others(s)
  for _, window in ipairs(s.slots) do
    if window.last > s.at then return true end
  end
  return false
end

-- Updates one account.
local function pass(s, moment)
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
    if s.a == FIXED and not has_others(s) then
      s.slots = {}
      -- Leases end with the last window, unless another account counts them.
      if s.others and not s.others[1] then s.made, s.o1, s.o0 = moment, 0, 0 end
    end
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

local function fill(s, moment)
  for _, other in ipairs(s.others) do pass(other, moment) end
  pass(s, moment)
end

-- Moves the times of a bucket that are in the future to the present. They are in the future if the clock was put
-- back, or after a fail-over to a server whose clock is behind. The bucket keeps its tokens and fills from now on,
-- so it opens within its own period. Leases keep their whole validity, which is up to two epochs.
local function rebase(s)
  local ahead = s.at - now
  if ahead > 0 then
    s.moved = true
    local function move(account)
      account.at = now
      for _, slot in ipairs(account.slots) do slot.first, slot.last = slot.first - ahead, slot.last - ahead end
    end
    move(s)
    for _, other in ipairs(s.others) do move(other) end
  end
  if s.e > this_epoch + 1 then
    s.e, s.o1, s.o0, s.moved = this_epoch + 1, s.o1 + s.o0, 0, true
  end
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
  if s.a == TOKEN then return debt(s), s.left end
  local tokens, newest = 0, s.slots[#s.slots]
  for _, slot in ipairs(s.slots) do tokens = tokens + slot.n end
  return tokens, newest and newest.last + s.p - s.at or 0
end

-- Returns the most that an account of the bucket counts, and the time until none counts anything.
local function overall(s)
  local tokens, left = total(s)
  for _, other in ipairs(s.others) do
    local more, longer = total(other)
    tokens, left = math.max(tokens, more), math.max(left, longer)
  end
  return tokens, left
end

-- Updates a bucket to the current time. Expired leases are spent at the moment of their expiry, in each account: so none is
-- dropped while tokens are leased.
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
  if s.others[1] and s.o1 + s.o0 == 0 and overall(s) == 0 then s.others = {} end
end

-- Reads the accounts, which stand behind the bucket's fields in groups of three numbers, those of the fields among them if
-- there is a token bucket. Scripts of earlier versions keep the groups, and add the time that has passed to the first number
-- of each. Returns that time.
local function read_accounts(s, groups)
  local age, place = groups[1][1], 2
  s.cap = groups[1][3]
  while groups[place] do
    local head, body, tail = groups[place], groups[place + 1], groups[place + 2]
    if not tail or (head[3] == 0 and (tail[3] < 0 or not groups[place + 3 + tail[3]])) then return age end
    local other = { at = s.at - age, p = head[2], t = head[3], slots = {} }
    if other.t > 0 then
      other.a, other.f, other.n, other.left, other.cap = TOKEN, body[2], body[3], tail[2], tail[3]
      place = place + 3
    else
      other.a, other.n, other.left, other.t = body[2], body[3], tail[2], groups[place + 3][3]
      other.f, other.cap = 0, other.t
      for slot = place + 4, place + 3 + tail[3] do
        local last = s.at - groups[slot][1]
        table.insert(other.slots, { first = last - groups[slot][2], last = last, n = groups[slot][3] })
      end
      place = place + 4 + tail[3]
    end
    pass(other, s.at)
    if other.a ~= TOKEN or other.t ~= s.t or other.p ~= s.p then
      table.insert(s.others, other)
    elseif age > 0 then
      if other.n > s.n or (other.n == s.n and other.f > s.f) then s.n, s.f, s.left = other.n, other.f, other.left end
      s.cap = math.max(s.cap, other.cap)
    end
  end
  return age
end

-- Counts what an earlier version has charged to the bucket's present account alone.
local function spread(s)
  local tokens = debt(s)
  for _, other in ipairs(s.others) do
    if other.a ~= TOKEN then
      local missing = tokens - total(other)
      if missing > 0 then charge(other, other.p, missing) end
    else
      raise(other, math.min(tokens, most(s, other)))
    end
  end
end

-- Makes the first other account the present one, and drops what was present.
local function turn_first(s)
  local account = table.remove(s.others, 1)
  for _, field in ipairs(ACCOUNT) do s[field] = account[field] end
end

-- Returns the text of a key. A key of another type is treated as absent. Any other error ends the script, since a bucket that
-- can't be read would be full at each call.
local function stored(key)
  local text = redis.pcall('GET', key)
  if type(text) == 'table' and text.err and not string.find(text.err, 'WRONGTYPE', 1, true) then
    return redis.call('GET', key)
  end
  return text
end

-- Reads a bucket; a key with other content is treated as absent.
local function read(key, ask)
  local text = stored(key)
  if type(text) ~= 'string' then return fresh(ask) end
  local words = {}
  for word in string.gmatch(text, '%S+') do
    local number = tonumber(word)
    if not number then return fresh(ask) end
    words[#words + 1] = number
  end
  if #words < #FIELDS or (#words - #FIELDS) % 3 ~= 0 then return fresh(ask) end
  local s = { slots = {}, others = {} }
  for place, field in ipairs(FIELDS) do s[field] = words[place] end
  if s.a == TOKEN then
    if #words == #FIELDS + 3 then
      s.cap = words[#words]
      return s
    end
    local groups = {}
    for place = #FIELDS + 1, #words, 3 do
      groups[#groups + 1] = { words[place], words[place + 1], words[place + 2] }
    end
    s.cap = math.max(debt(s), ask.cap)
    if groups[1] and read_accounts(s, groups) > 0 then spread(s) end
    -- The fields are of no account if there is no token bucket.
    if groups[1] and groups[1][2] == WINDOWS_ALONE and s.others[1] then turn_first(s) end
    return s
  end
  s.cap = s.t
  for place = #FIELDS + 1, #words, 3 do
    local last = s.at - words[place]
    s.slots[#s.slots + 1] = { first = last - words[place + 1], last = last, n = words[place + 2] }
  end
  return s
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

-- Makes the present account one of this call's algorithm in which these tokens are spent. A sliding window counts them for
-- a whole period, because any part of them may have been spent just now.
local function become(s, ask, tokens, left)
  s.a, s.n, s.f, s.left, s.t, s.p, s.cap, s.slots = ask.a, tokens, 0, left, ask.t, ask.p, ask.cap, {}
  if s.a == SLIDING then
    s.n, s.left = 0, 0
    if tokens > 0 then s.slots[1] = { first = s.at, last = s.at, n = tokens } end
  elseif s.a == FIXED and left > ask.p then
    s.left = ask.p
    s.slots[1] = { first = s.at, last = s.at + left, n = tokens }
  end
end

-- Counts in a token bucket what other accounts have counted: in a new one what all have, otherwise what those with a
-- higher rate have, of which it counted no more than its capacity.
local function inherit(s, is_new)
  local limit = most(s, s)
  for _, other in ipairs(s.others) do
    if is_new or not at_most(other.t, other.p, s.t, s.p) then
      local tokens = total(other)
      raise(s, math.min(tokens, limit))
    end
  end
end

-- Drops the token bucket with the highest rate if there are too many. The next slower one counts what it counted.
local function drop_one(s)
  if #s.others <= MAX_OTHERS then return end
  local fastest, second
  for place, other in ipairs(s.others) do
    if other.a == TOKEN then
      local function is_slower_than(account)
        return not account or at_most(s.others[account].t, s.others[account].p, other.t, other.p)
      end
      if is_slower_than(fastest) then
        fastest, second = place, fastest
      elseif is_slower_than(second) then
        second = place
      end
    end
  end
  if not second then return end
  local slower, dropped = s.others[second], s.others[fastest]
  slower.cap = math.max(slower.cap, dropped.cap)
  raise(slower, debt(dropped))
  table.remove(s.others, fastest)
end

-- Returns whether an account counts for the limit of this call. All fixed windows are counted by one, and all sliding
-- windows by one.
local function is_of(account, ask)
  if account.a ~= ask.a then return false end
  return ask.a ~= TOKEN or (account.t == ask.t and account.p == ask.p)
end

-- Makes the account of this call's limit the present one.
local function turn_to(s, ask)
  if overall(s) == 0 and not s.others[1] and s.o1 + s.o0 == 0 then return become(s, ask, 0, 0) end
  local tokens, left = overall(s)
  local before, known = { at = s.at }, nil
  for _, field in ipairs(ACCOUNT) do before[field] = s[field] end
  for place, other in ipairs(s.others) do
    if is_of(other, ask) then known = place end
  end
  if known then
    local account = s.others[known]
    for _, field in ipairs(ACCOUNT) do s[field] = account[field] end
    s.others[known] = before
    return
  end
  table.insert(s.others, before)
  if ask.a == TOKEN then
    become(s, ask, 0, 0)
    inherit(s, true)
  else
    become(s, ask, tokens, left)
  end
  drop_one(s)
end

-- Applies the limit of this call. What is spent stays spent.
local function adopt(s, ask)
  if not is_of(s, ask) then turn_to(s, ask) end
  if s.a == TOKEN then
    if s.n == 0 and s.f == 0 and not s.others[1] then
      s.cap = ask.cap
    elseif ask.cap > s.cap then
      s.cap = ask.cap
      inherit(s, false)
    end
  elseif s.a == FIXED then
    if s.p ~= ask.p then adopt_window(s, ask.p) end
    s.t, s.p, s.cap = ask.t, ask.p, ask.cap
  else
    s.t, s.cap, s.p = ask.t, ask.cap, s.slots[1] and math.max(s.p, ask.p) or ask.p
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

local NUMBERS = '%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f'

-- Returns the stored form of the slots of an account.
local function slots_of(s, account)
  local words = {}
  for n, slot in ipairs(account.slots) do
    words[n] = string.format(' %.0f %.0f %.0f', s.at - slot.last, slot.last - slot.first, slot.n)
  end
  return table.concat(words)
end

-- Returns the stored form of a bucket with several accounts. The fields are those of a token bucket, since earlier versions
-- keep what stands behind these, and take what stands behind those of a window for its charges. If no account is a token
-- bucket, they are those of one that counts what the windows count.
local function mixed(s)
  local main, words = s.a == TOKEN and s, {}
  local function put(account)
    main = main or account.a == TOKEN and account
    local window = account.a ~= TOKEN
    local t, f = window and 0 or account.t, window and account.a or account.f
    local last = window and #account.slots or account.cap
    words[#words + 1] = string.format(' 0 %.0f %.0f 0 %.0f %.0f 0 %.0f %.0f', account.p, t, f, account.n, account.left, last)
    if window then words[#words + 1] = string.format(' 0 0 %.0f%s', account.t, slots_of(s, account)) end
  end
  put(s)
  for _, other in ipairs(s.others) do put(other) end
  local mark = main and 0 or WINDOWS_ALONE
  if not main then
    local tokens, left = overall(s)
    main = { a = TOKEN, n = tokens, f = 0, left = left, t = s.t, p = s.p, cap = s.cap }
  end
  return string.format(NUMBERS .. ' 0 %.0f %.0f', main.a, main.n, main.f, s.at, main.left, main.t, main.p, s.made, s.e, s.o1,
                       s.o0, mark, main.cap) .. table.concat(words)
end

local function write(key, s)
  local out, tokens, last = s.o1 + s.o0, total(s)
  if s.others[1] then tokens, last = overall(s) end
  if tokens == 0 and out == 0 then return redis.call('DEL', key) end
  if out > 0 then
    local more = s.a == TOKEN and out * s.p / s.t or s.p
    for _, other in ipairs(s.others) do
      more = math.max(more, other.a == TOKEN and out * other.p / other.t or other.p)
    end
    last = last + 2 * TERM + math.min(more, LONGEST)
  end
  local text
  if s.others[1] then
    text = mixed(s)
  else
    text = string.format(NUMBERS, s.a, s.n, s.f, s.at, s.left, s.t, s.p, s.made, s.e, s.o1, s.o0)
    text = text .. (s.a == TOKEN and string.format(' 0 0 %.0f', s.cap) or slots_of(s, s))
  end
  local life = string.format('%.0f', math.min(math.ceil(last / 1000) + 1, LONGEST / 1000))
  redis.call('SET', key, text, 'PX', life)
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

-- Takes back the cost of a call that was charged at `charged`. A window or a slot that has begun since then did not count
-- it.
local function undo(s, charged)
  if s.a == SLIDING then
    local tokens = cost
    for place = #s.slots, 1, -1 do
      local slot = s.slots[place]
      local back = slot.first <= charged and math.min(slot.n, tokens) or 0
      slot.n, tokens = slot.n - back, tokens - back
      if slot.n == 0 then table.remove(s.slots, place) end
    end
  elseif s.a == TOKEN then
    s.n = s.n - cost
    if s.n < 0 or (s.n == 0 and s.f == 0) then s.n, s.f, s.left = 0, 0, 0 end
  else
    if s.left > 0 and s.at + s.left - s.p <= charged then s.n = math.max(s.n - cost, 0) end
    for _, window in ipairs(s.slots) do
      if window.last > s.at and window.first <= charged then window.n = math.max(window.n - cost, 0) end
    end
  end
end

-- Takes back a call's cost from the accounts that have certainly counted it: a token bucket of another rate may have been
-- at its most already, and keeps it.
local function take_back(s, ask)
  if s.a ~= FIXED or s.made == ask.made then undo(s, ask.epoch) end
  for _, other in ipairs(s.others) do
    if other.a ~= TOKEN then undo(other, ask.epoch) end
  end
end

local function take(s, ask)
  local free = room(s, ask)
  if ask.kind == 'u' then
    take_back(s, ask)
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
