import multiprocessing, os, sys

class Point:
    def __init__(self, x):
        self.x = x

def double(point):
    return Point(point.x * 2)

def shout(queue):
    queue.put(("child", __name__, sys.argv))

if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            print(method, [point.x for point in pool.map(double, map(Point, range(4)))])
        queue = context.Queue()
        process = context.Process(target=shout, args=(queue,))
        process.start()
        print(queue.get())
        process.join()
        print(process.exitcode)
