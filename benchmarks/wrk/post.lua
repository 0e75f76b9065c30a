-- A POST whose body has the length given as the argument, bytes.
dofile("wrk/report.lua")
function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/octet-stream"
  wrk.body = string.rep("gasgi 16 bytes. ", tonumber(arguments[1]) / 16)
end
