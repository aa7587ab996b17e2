"""There is no screen: bare python3 may have tkinter, or not."""
try:
    import tkinter
    tkinter.Tk()
except Exception as error:
    print("no window")
