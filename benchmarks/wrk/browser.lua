-- An absolute-form request with the 14 fields of a browser, the same every time.
-- Arguments: the origin's host:port, the path.
package.path = debug.getinfo(1, "S").source:match("@(.*/)") .. "?.lua"
require("report")

function init(args)
   local text = table.concat({
      "GET http://" .. args[1] .. args[2] .. " HTTP/1.1",
      "Host: " .. args[1],
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      "Accept-Language: en-US,en;q=0.5",
      "Accept-Encoding: gzip, deflate, br",
      "Referer: http://" .. args[1] .. "/some/page.html",
      "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
      "Connection: keep-alive",
      "Upgrade-Insecure-Requests: 1",
      "Sec-Fetch-Dest: document",
      "Sec-Fetch-Mode: navigate",
      "Sec-Fetch-Site: same-origin",
      "Pragma: no-cache",
      "Cache-Control: no-cache",
   }, "\r\n") .. "\r\n\r\n"
   request = function() return text end
end
