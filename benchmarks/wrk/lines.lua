-- A GET with the target and the field lines that are the arguments, the same every time; or with a number that grows where "@N@" stands.
package.path = debug.getinfo(1, "S").source:match("@(.*/)") .. "?.lua"
require("report")

function init(args)
   local lines = {"GET " .. args[1] .. " HTTP/1.1"}
   for index = 2, #args do lines[index] = args[index] end
   local text = table.concat(lines, "\r\n") .. "\r\n\r\n"
   if not text:find("@N@", 1, true) then
      request = function() return text end
      return
   end
   local parts = {}
   for part in (text .. "@N@"):gmatch("(.-)@N@") do parts[#parts + 1] = part end
   local number = 1000000
   request = function()
      number = number + 1
      return table.concat(parts, tostring(number))
   end
end
