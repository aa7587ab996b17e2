import curses

def main(screen):
    curses.start_color()
    curses.use_default_colors()
    screen.addstr(2, 3, "hello", curses.A_BOLD)
    screen.refresh()
    return curses.has_colors(), curses.COLORS, screen.getmaxyx(), curses.termname()

print(curses.wrapper(main))
