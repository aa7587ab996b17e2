import threading, asyncio, concurrent.futures, os, time, locale
print(threading.main_thread().native_id == os.getpid(), threading.current_thread() is threading.main_thread())
async def main():
    return await asyncio.gather(*(asyncio.sleep(0.01, n) for n in range(3)))
print(asyncio.run(main()))
with concurrent.futures.ThreadPoolExecutor() as pool:
    print(list(pool.map(abs, [-1, 2])))
print(time.tzname, locale.getlocale(), locale.setlocale(locale.LC_ALL), locale.getpreferredencoding())
