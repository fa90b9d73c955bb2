-- A short request to a reverse proxy: the path is the first argument.
package.path = debug.getinfo(1, "S").source:match("@(.*/)") .. "?.lua"
require("report")

function init(args)
   local text = "GET " .. args[1] .. " HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
   request = function() return text end
end
