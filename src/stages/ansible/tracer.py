"""Tells, in the file `log` beside this one, what a Python process and all that it starts ask of the file system.

Python runs this file as `sitecustomize` when its directory comes first in PYTHONPATH, before any other code. What
has an audit event is taken from there; what has none (stat and its kin) is wrapped. A record is written before what
it tells of is done. A record that cannot be written makes the whole log void; the traced program never notices.

Records, one JSON array in each line, paths absolute but not normalised (after a link, `..` has a meaning):
  ["p",pid,argv,cwd]      a process started to tell; the first record of each
  ["r",path]              opened such that old content can be seen
  ["w",path]              written, made, renamed or removed
  ["m",source,path]       moved or linked: what is asked of `path` from now on is answered by `source`
  ["s",path]              asked what it is, links followed
  ["k",path]              asked what it is or leads to, links not followed
  ["l",path]              listed
  ["e",argv,cwd,program]  a process is about to be started; `program` is the file where it was found
  ["!",text]              something could not be told

Pythons before 3.8 are left alone; this file must not fail in them.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
IMPORT = 'importlib._bootstrap_external'


class Teller(object):
    """Writes records: everything is said once in a process and those that it forks."""

    def __init__(self, posix, thread):
        # The real ones, whatever is put in their place later.
        self.open, self.close, self.write, self.truncate = posix.open, posix.close, posix.write, posix.ftruncate
        self.stat, self.fstat, self.access = posix.stat, posix.fstat, posix.access
        self.readlink, self.getcwd = posix.readlink, posix.getcwd
        self.thread = thread
        self.said = set()
        # Threads that have told already what the next event is about.
        self.told = set()
        self.unsaid = None
        self.skipped = ('/proc/', '/dev/', '/sys/', HERE + '/') + own_directories()
        self.programs = program_directories()
        self.append()

    def append(self):
        """Opens the log."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.descriptor = self.open(HERE + '/log', flags, 0o600)
        self.identity = self.identified()

    def identified(self):
        """Tells our descriptor from one that a program opened after it had closed ours."""
        try:
            found = self.fstat(self.descriptor)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def record(self, line):
        """One write for each record: those of several processes never mix."""
        if self.identified() != self.identity:
            self.append()
        if self.unsaid is not None:
            line = '["!",%s]\n%s' % (quoted(self.unsaid), line)
        told = line.encode('ascii')
        if self.write(self.descriptor, told) != len(told):
            raise OSError('a record was cut')
        self.unsaid = None

    def confess(self):
        """Makes it known that the log is not whole; if not even that can be written, nothing of it is left."""
        try:
            self.record('')
        except Exception:
            if self.identified() == self.identity:
                self.truncate(self.descriptor, 0)

    def guarded(self, tell, arguments, names):
        """Calls what tells, and keeps its troubles from the program. What a signal's handler raises is the program's."""
        try:
            tell(*arguments, **names)
        except Exception as error:
            trace = error.__traceback__
            while trace.tb_next is not None:
                trace = trace.tb_next
            if trace.tb_frame.f_globals is not globals():
                raise
            # Kept for the next record, in case that there is no room now for another call.
            self.unsaid = '%s: %s' % (error.__class__.__name__, error)
            try:
                self.confess()
            except Exception:
                pass

    def tell(self, kind, path, directory=None):
        """A record of one path, which may be below `directory`: a descriptor, or -1 for none."""
        self.tell_absolute(kind, self.absolute(path, directory))

    def tell_absolute(self, kind, path):
        """A record of a path with its first slash; of none for None."""
        if path is None or (kind, path) in self.said or self.is_own(path):
            return
        source = source_of(path)
        if source is not None:
            self.record('["%s",%s]\n' % (kind, quoted(source)))
        # Not before: what interrupts us here interrupts also what we tell of, and that may come again.
        self.said.add((kind, path))

    def is_own(self, path):
        """Whether it is Python's own, or no file."""
        if (path + '/').startswith(self.skipped):
            return not ('/..' in path or '/ansible_collections' in path or path.startswith('/dev/shm'))
        # Beside the script that runs, each module that is imported is sought.
        return (path in self.programs or path.rpartition('/')[0] in self.programs) and caller() == IMPORT

    def absolute(self, path, directory=None):
        """A path with its first slash; None for what is no path: a descriptor, or a mistake."""
        path = text_of(path)
        if not path or '\0' in path:
            return None
        if path[0] == '/':
            return path
        base = self.getcwd() if directory is None or directory == -1 else self.directory(directory)
        return None if base is None else below(base, path)

    def directory(self, descriptor):
        """The path of an open directory; None if it is not open."""
        try:
            path = self.readlink('/proc/self/fd/%d' % descriptor)
        except OSError:
            try:
                self.fstat(descriptor)
            except OSError:
                return None
            raise
        return path if path[0] == '/' else None

    def process(self):
        """The record that comes first."""
        cwd, argv = self.getcwd(), command_line(self)
        self.record('["p",%d,%s,%s]\n' % (os.getpid(), quoted_list(argv), quoted(cwd)))

    def child(self, program, argv, cwd, environment):
        """A process that is about to be started. A program without a slash is sought where PATH says."""
        if cwd is not None:
            self.tell('s', cwd)
        cwd = self.getcwd() if cwd is None else self.absolute(cwd) or ''
        argv = [text_of(word) or '' for word in argv]
        program = text_of(program) or (argv[0] if argv else '')
        program = below(cwd, program) if '/' in program else self.found(program, cwd, environment)
        self.record('["e",%s,%s,%s]\n' % (quoted_list(argv), quoted(cwd), quoted(program)))
        if program.endswith('sh') or 'python' in program:
            keep_compiled()

    def found(self, program, cwd, environment):
        """Where PATH has a program; its name alone if nowhere."""
        variables = os.environ if environment is None else environment
        places = variables.get('PATH')
        if places is None and environment is not None:
            places = variables.get(b'PATH')
        for place in (os.defpath if places is None else text_of(places)).split(':'):
            path = below(below(cwd, place), program)
            try:
                # 0o170000 has the kind of a file, 0o100000 is a regular one.
                if self.access(path, os.X_OK) and self.stat(path).st_mode & 0o170000 == 0o100000:
                    return path
            except OSError:
                pass
        return program


def text_of(path):
    """A path as text; None for what is none. What a path that is an object raises is the program's own."""
    if path.__class__ is str:
        return path
    if isinstance(path, (bytearray, memoryview)):
        path = bytes(path)
    return os.fsdecode(path) if isinstance(path, (str, bytes)) or hasattr(path, '__fspath__') else None


def below(directory, path):
    """A path, seen from a directory."""
    return path if path[:1] == '/' else '%s/%s' % (directory.rstrip('/'), path)


def quoted(text):
    """A text in JSON, in ASCII; a byte that is no UTF-8 is half of a surrogate pair, as everywhere in Python."""
    if text.isascii() and text.isprintable() and '"' not in text and '\\' not in text:
        return '"%s"' % text
    return '"%s"' % ''.join(map(escaped, text))


def quoted_list(texts):
    """A list of texts in JSON."""
    return '[%s]' % ','.join(map(quoted, texts))


def escaped(letter):
    """A letter in JSON."""
    code = ord(letter)
    if 32 <= code < 127 and letter not in '"\\':
        return letter
    if code < 0x10000:
        return '\\u%04x' % code
    return '\\u%04x\\u%04x' % (0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF))


def own_directories():
    """Where Python's own files are: its library, what is installed, translations of messages."""
    library = os.path.dirname(os.__file__)
    prefixes = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    prefixes = tuple(set(prefix.rstrip('/') + '/' for prefix in prefixes))
    user = getattr(sys.modules.get('site'), 'USER_SITE', None)
    found = set([library, os.path.join(sys.base_prefix, 'share/locale')])
    for place in sys.path:
        name = os.path.basename(place)
        if place.startswith(prefixes):
            if name in ('site-packages', 'dist-packages', 'lib-dynload') or name.endswith('.zip'):
                found.add(place)
        elif place == user:
            found.add(place)
    return tuple(set(real + '/' for place in found for real in (place, os.path.realpath(place))))


def program_directories():
    """Where programs are, some of which are written in Python."""
    places = ('/usr/bin', '/usr/local/bin', '/bin', sys.prefix + '/bin', sys.base_prefix + '/bin')
    return frozenset(places + tuple(map(os.path.realpath, places[2:])))


def caller():
    """The module of the program that made us tell."""
    frame = sys._getframe(1)
    while frame.f_globals is globals() and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_globals.get('__name__')


def source_of(path):
    """What compiled code was made from, any other path as it is; None for what is only about compiled code."""
    kept = (getattr(sys, 'pycache_prefix', None) or '').rstrip('/') + '/'
    if kept != '/' and path.startswith(kept):
        directory, _, name = path[len(kept) - 1 :].rpartition('/')
    else:
        directory, mark, name = (path + '/').rstrip('/').rpartition('/__pycache__/')
        if not mark:
            return None if path.rstrip('/').endswith('/__pycache__') else path
    module, _, rest = name.partition('.')
    return '%s/%s.py' % (directory, module) if rest.endswith('pyc') and '/' not in name else None


def command_line(teller):
    """The words that this process was started with."""
    try:
        descriptor = teller.open('/proc/self/cmdline', os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return getattr(sys, 'orig_argv', None) or [sys.executable] + list(getattr(sys, 'argv', []))
    parts = []
    while not parts or parts[-1]:
        parts.append(os.read(descriptor, 1 << 16))
    teller.close(descriptor)
    return [os.fsdecode(word) for word in b''.join(parts).split(b'\0')[:-1]]


def keep_compiled():
    """Keeps this file compiled, even where that is not wanted of others: most of what it costs is to compile it."""
    if not os.path.exists(__spec__.cached):
        wanted, sys.dont_write_bytecode = sys.dont_write_bytecode, False
        try:
            __spec__.loader.get_code(__spec__.name)
        finally:
            sys.dont_write_bytecode = wanted


class Wrapped(object):
    """A function of the system that tells first. An object: of a function, pathlib up to 3.10 would make a method."""

    def __init__(self, real, teller, tell):
        self.__wrapped__, self._teller, self._tell = real, teller, tell
        for name in ('__name__', '__qualname__', '__module__', '__doc__'):
            setattr(self, name, getattr(real, name))

    def __call__(self, *arguments, **names):
        self._teller.guarded(self._tell, arguments, names)
        return self.__wrapped__(*arguments, **names)

    def __reduce__(self):
        return self.__name__

    def __repr__(self):
        return repr(self.__wrapped__)


class Opening(Wrapped):
    """`os.open`, whose event does not say below which directory a path is."""

    def __call__(self, *arguments, **names):
        if names.get('dir_fd') is None:
            return self.__wrapped__(*arguments, **names)
        self._teller.guarded(self._tell, arguments, names)
        me = self._teller.thread()
        self._teller.told.add(me)
        try:
            return self.__wrapped__(*arguments, **names)
        finally:
            self._teller.told.discard(me)


def wrap(posix, teller):
    """Wraps the functions that raise no event, or one that says too little."""

    def asks(kind):
        def tell(path=None, *_, **names):
            is_followed = names.get('follow_symlinks', True)
            teller.tell(kind if is_followed else 'k', names.get('path', path), names.get('dir_fd'))

        return tell

    def opens(path=None, flags=0, *_, **names):
        opened(teller, names.get('path', path), None, names.get('flags', flags), names.get('dir_fd'))

    def leaves(*_, **__):
        raise OSError('another root directory')

    kinds = (('stat', 's'), ('access', 's'), ('statvfs', 's'), ('pathconf', 's'), ('lstat', 'k'), ('readlink', 'k'))
    for name, kind in kinds + (('mkfifo', 'w'), ('mknod', 'w')):
        replace(posix, name, Wrapped(getattr(posix, name), teller, asks(kind)))
    replace(posix, 'chroot', Wrapped(posix.chroot, teller, leaves))
    replace(posix, 'open', Opening(posix.open, teller, opens))


def replace(posix, name, ours):
    """Puts ours in the place of a function, wherever it is known already."""
    real = getattr(posix, name)
    for able in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
        if real in able:
            able.add(ours)
    for module in list(sys.modules.values()):
        if getattr(module, name, None) is real:
            setattr(module, name, ours)
    # Where a module was imported by a line of a `.pth` file.
    accessor = getattr(sys.modules.get('pathlib'), '_NormalAccessor', None)
    if getattr(accessor, name, None) is real:
        setattr(accessor, name, ours)


def opened(teller, path, mode, flags, directory=None):
    """A file that is opened; `mode` is as for `open`, or None and the flags say it all."""
    if isinstance(mode, str):
        is_written = any(letter in mode for letter in 'wax+')
        is_seen = not any(letter in mode for letter in 'wx')
    else:
        kept = flags & os.O_TRUNC == 0
        is_written = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) != 0
        is_seen = kept and flags & (os.O_CREAT | os.O_EXCL) != os.O_CREAT | os.O_EXCL
    path = teller.absolute(path, directory)
    if is_seen:
        teller.tell_absolute('r', path)
    if is_written:
        teller.tell_absolute('w', path)


def events(teller):
    """What to do with which audit event. Descriptors of directories are -1 when there is none."""

    def each(kind):
        return lambda path, *_: teller.tell(kind, path)

    def each_below(kind, place):
        return lambda *values: teller.tell(kind, values[0], values[place])

    def open_file(path, mode, flags):
        if mode is not None or teller.thread() not in teller.told:
            opened(teller, path, mode, flags)

    def list_directory(path):
        teller.tell('l', '.' if path is None else teller.directory(path) if isinstance(path, int) else path)

    def remove_directory(path, directory):
        teller.tell('w', path, directory)
        teller.tell('l', path, directory)

    def truncate(path, _):
        teller.tell('r', path)
        teller.tell('w', path)

    def move(source, path):
        if source is None or path is None:
            return
        teller.tell_absolute('w', source)
        teller.tell_absolute('w', path)
        teller.record('["m",%s,%s]\n' % (quoted(source), quoted(path)))

    def rename(source, path, source_directory, directory):
        move(teller.absolute(source, source_directory), teller.absolute(path, directory))

    def symlink(source, path, directory):
        path = teller.absolute(path, directory)
        if path is not None:
            teller.tell_absolute('w', path)
            teller.record('["m",%s,%s]\n' % (quoted(below(path.rpartition('/')[0], text_of(source))), quoted(path)))

    def execute(program, argv, environment):
        if isinstance(program, int):
            program = teller.directory(program)
        # With a name, each directory of PATH is tried.
        if program is not None and teller.access(program, os.X_OK):
            teller.child(below('.', text_of(program)), argv, None, environment)

    def spawn(program, argv, environment):
        # `subprocess` has raised an event of its own for the same process.
        if caller() != 'subprocess':
            teller.child(program, argv, None, None)

    def resolved(path):
        while path.rpartition('/')[0]:
            teller.tell('k', path)
            path = path.rpartition('/')[0]

    def run_file(path):
        path = teller.absolute(path)
        if path is not None:
            # Modules are sought beside the file, wherever links lead.
            resolved(path)
            teller.tell('r', path)

    def database(path):
        path = text_of(path)
        if path is not None and path.startswith('file:'):
            raise OSError('a database that has an address: %s' % path)
        path = None if path == ':memory:' else teller.absolute(path)
        if path is None:
            return
        for name in ('', '-journal', '-wal'):
            teller.tell('r', path + name)
            teller.tell('s', path + name)
            teller.tell('w', path + name)
        # It finds out by itself where links lead, and opens the directory.
        teller.tell('r', os.path.dirname(path))
        resolved(path)

    def load(name):
        if '/' in (text_of(name) or ''):
            teller.tell('r', name)

    return {
        'open': open_file,
        'cpython.run_file': run_file,
        'os.listdir': list_directory,
        'os.scandir': list_directory,
        'os.chdir': each('s'),
        'os.getxattr': each('s'),
        'os.listxattr': each('s'),
        'os.setxattr': each('w'),
        'os.removexattr': each('w'),
        'os.truncate': truncate,
        'os.mkdir': each_below('w', 2),
        'os.chmod': each_below('w', 2),
        'os.chown': each_below('w', 3),
        'os.utime': each_below('w', 3),
        'os.remove': each_below('w', 1),
        'os.rmdir': remove_directory,
        'os.rename': rename,
        'os.link': rename,
        'os.symlink': symlink,
        'subprocess.Popen': teller.child,
        'os.system': lambda command: teller.child('/bin/sh', ['/bin/sh', '-c', command], None, None),
        'os.exec': execute,
        'os.posix_spawn': spawn,
        'sqlite3.connect': database,
        'ctypes.dlopen': load,
        'import': lambda _, path, *__: path is not None and teller.tell('r', path),
    }


def start():
    """Begins to tell; without a log, does nothing at all."""
    try:
        import posix
        from _thread import get_ident

        teller = Teller(posix, get_ident)
        teller.process()
    except Exception:
        return
    handlers = events(teller)

    def hook(event, arguments):
        handler = handlers.get(event)
        if handler is not None:
            teller.guarded(handler, arguments, {})

    teller.guarded(wrap, (posix, teller), {})
    sys.addaudithook(hook)


def go_on():
    """Runs the `sitecustomize` that this one hides. Where there is none, it is as if this were none either."""
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != HERE]
    sys.modules.pop('sitecustomize', None)
    import sitecustomize  # noqa: F401


if sys.version_info >= (3, 8):
    start()
go_on()
