-- A POST of what the file of the first argument holds; the second is its content type.
dofile("wrk/report.lua")
function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.method = "POST"
  wrk.headers["Content-Type"] = arguments[2]
  wrk.body = file:read("*a")
  file:close()
end
