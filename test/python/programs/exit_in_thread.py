import threading, sys, time
def work():
    time.sleep(0.1)
    print("thread")
    sys.exit(5)
def fail():
    raise ValueError("in a thread")
threading.Thread(target=work).start()
thread = threading.Thread(target=fail, name="failing")
thread.start()
thread.join()
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
print("main is over", threading.main_thread(), threading.active_count())
