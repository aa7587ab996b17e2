# Which room may see which (docs/architecture.md), for script/lint. A room's own headers are its own matter; of another
# room one sees the door: the header with the room's name, and what is listed beside it. All of base is a door.
BEGIN {
        rooms = "base ipc store account course document workspace environment sandbox gate python run web cli"
        sees["base"] = ""
        sees["ipc"] = "base"
        sees["store"] = "base"
        sees["account"] = "base store"
        sees["course"] = "base store account ipc"
        sees["document"] = "base ipc store"
        sees["workspace"] = "base ipc"
        sees["environment"] = "base ipc"
        sees["sandbox"] = "base ipc"
        sees["gate"] = "base ipc sandbox"
        sees["python"] = "base ipc sandbox"
        sees["run"] = "base ipc environment sandbox python workspace"
        sees["web"] = "base ipc store account course document workspace"
        sees["cli"] = rooms
        beside["ipc/messages.h"] = 1
        beside["course/permission.h"] = 1
}
function complain(text) {
        printf "%s:%d: %s\n", FILENAME, FNR, text
        wrong = 1
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
        split(FILENAME, place, "/")
        room = place[2]
        split($0, quoted, "\"")
        header = quoted[2]
        if (header !~ /\//)
                next
        if (header !~ /^\.\.\/[a-z]+\/[a-z_]+\.h$/) {
                complain("include another room as \"../room/room.h\", not \"" header "\"")
                next
        }
        split(header, part, "/")
        other = part[2]
        if (!(room in sees))
                complain("no such room in script/lint: " room)
        else if (other != room && index(" " sees[room] " ", " " other " ") == 0)
                complain(room " must not see " other)
        else if (room == "course" && other == "ipc" && part[3] != "messages.h")
                complain("course sees nothing of ipc but messages.h")
        else if (other != room && other != "base" && part[3] != other ".h" && !((other "/" part[3]) in beside))
                complain(other "/" part[3] " is private to " other)
}
END { exit wrong }
