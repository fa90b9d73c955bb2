-- The browser's request again, but path, Referer and Cookie differ in each one, so nothing about it can be remembered.
-- Arguments: the origin's host:port.
package.path = debug.getinfo(1, "S").source:match("@(.*/)") .. "?.lua"
require("report")

function init(args)
   local before = "GET http://" .. args[1] .. "/p/article-"
   local host = ".html?page=2 HTTP/1.1\r\nHost: " .. args[1] .. "\r\n" .. table.concat({
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      "Accept-Language: en-US,en;q=0.5",
      "Accept-Encoding: gzip, deflate, br",
      "Referer: http://" .. args[1] .. "/p/article-",
   }, "\r\n")
   local cookie = ".html\r\nCookie: theme=dark; session=0123456789abcdef"
   local rest = "\r\n" .. table.concat({
      "Connection: keep-alive",
      "Upgrade-Insecure-Requests: 1",
      "Sec-Fetch-Dest: document",
      "Sec-Fetch-Mode: navigate",
      "Sec-Fetch-Site: same-origin",
      "Pragma: no-cache",
      "Cache-Control: no-cache",
   }, "\r\n") .. "\r\n\r\n"
   local number = 1000000
   request = function()
      number = number + 1
      return before .. number .. host .. (number - 1) .. cookie .. number .. rest
   end
end
