-- A short GET of a numbered path. Arguments: what stands before the number, the first number, how many there are, how far they are
-- apart, and "once" for one after the other (again from the first after the last) or "random".
package.path = debug.getinfo(1, "S").source:match("@(.*/)") .. "?.lua"
require("report")

function init(args)
   local before = "GET " .. args[1]
   local after = " HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
   local first, count, step = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
   local format, random = string.format, math.random
   if args[5] == "random" then
      math.randomseed(first + count)
      request = function()
         return format("%s%d%s", before, first + (random(count) - 1) * step, after)
      end
      return
   end
   local index = -1
   request = function()
      index = (index + 1) % count
      return format("%s%d%s", before, first + index * step, after)
   end
end
