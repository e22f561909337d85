"""Asks the file system in every way that Python has, below the working directory; each operation of a test has names of its own."""
import os
import sys

ROOT = os.getcwd()


def made(name, text='x'):
    """A file that is there."""
    os.makedirs(os.path.dirname(os.path.join(ROOT, name)), exist_ok=True)
    with open(os.path.join(ROOT, name), 'w') as file:
        file.write(text)
    return name


def attempt(operation, *arguments, **names):
    """Does something that may fail: a missing file is asked for like any other."""
    try:
        return operation(*arguments, **names)
    except (OSError, ValueError, ImportError):
        return None


def prepare():
    """Files for the operations, made by another process: what this one wrote, it has told of already."""
    for name in ('plain', 'bytes', 'kept', 'appended', 'both', 'fd', 'code', 'mapped', 'lines', 'copied', 'moved'):
        made('open/' + name)
    for name in ('one/two/file', 'one/other', 'walk/in/deep', 'fwalk/in/deep', 'tree/in/deep', 'gone/in/deep'):
        made('dir/' + name)
    for name in ('glob/a.txt', 'pglob/in/a.txt', 'iter/a', 'scan/a', 'list/a', 'fdlist/a', 'pip/a/b', 'cwdlist/a'):
        made('dir/' + name)
    for name in ('size', 'same', 'mode', 'time', 'tool', 'below', 'entry', 'link', 'x', 'truncated', 'old', 'hard'):
        made('stat/' + name)
    made('mod/single.py', 'VALUE = 1\n')
    made('mod/pack/__init__.py', '')
    made('mod/pack/inner.py', '')
    made('mod/pack/data.txt')
    made('mod/namespace/part.py', '')
    made('mod/ran.py', 'import single\n')
    for name in ('place/here', 'system/here', 'used/here', 'entered/here', 'stat/attribute', 'stat/attributes'):
        made(name)
    made('config.ini', '[a]\nb = c\n')
    os.chmod(os.path.join(ROOT, 'stat/tool'), 0o755)
    os.symlink('file', 'dir/one/two/link')
    os.symlink('nowhere', 'stat/broken')
    os.symlink('link', 'stat/through')
    os.symlink('../../place', 'dir/scan/linked')
    os.symlink('plain', 'open/linked')
    import tarfile
    import zipfile

    with zipfile.ZipFile('archive.zip', 'w') as archive:
        archive.writestr('zipped.py', '')
    with tarfile.open('archive.tar', 'w') as archive:
        archive.add('open/plain')


def opens():
    """Contents."""
    import fileinput
    import io
    import linecache
    import mmap
    import shutil
    import tarfile
    import zipfile

    with open('open/plain') as file:
        file.read()
    with open(b'open/bytes', 'rb') as file:
        file.read()
    attempt(open, 'open/absent')
    with open('open/linked') as file:
        file.read()
    for name, mode in (('new', 'w'), ('exclusive', 'x'), ('appended', 'a'), ('both', 'r+'), ('truncated', 'w+')):
        open('open/' + name, mode).close()
    io.open_code(os.path.join(ROOT, 'open/code')).close()
    os.close(os.open('open/fd', os.O_RDONLY))
    os.close(os.open('open/kept', os.O_WRONLY))
    os.close(os.open('open/created', os.O_WRONLY | os.O_CREAT))
    directory = os.open('open', os.O_RDONLY | os.O_DIRECTORY)
    os.close(os.open('bytes', os.O_RDONLY, dir_fd=directory))
    os.close(os.open('below', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, dir_fd=directory))
    attempt(os.open, 'absent-below', os.O_RDONLY, dir_fd=directory)
    os.close(directory)
    with open('open/opener', 'w', opener=lambda path, flags: os.open(path, flags)):
        pass
    with open('open/mapped', 'rb') as file:
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).close()
    linecache.getline('open/lines', 1)
    list(fileinput.input(['open/lines']))
    for name, copy in (('1', shutil.copyfile), ('2', shutil.copy), ('3', shutil.copy2)):
        copy('open/copied', 'open/copy' + name)
    shutil.move('open/moved', 'open/moved-to')
    with open('open/moved-to') as file:
        file.read()
    zipfile.ZipFile('archive.zip').read('zipped.py')
    tarfile.open('archive.tar').getmember('open/plain')
    import configparser

    configparser.ConfigParser().read(['config.ini', 'no-config.ini'])


def listings():
    """Names."""
    import glob
    import pathlib
    import shutil

    os.listdir('dir/list')
    os.listdir(b'dir/one')
    os.listdir()
    attempt(os.listdir, 'dir/absent')
    for entry in os.scandir('dir/scan'):
        entry.is_dir()
        entry.stat()
    descriptor = os.open('dir/fdlist', os.O_RDONLY)
    os.listdir(descriptor)
    os.close(descriptor)
    list(os.walk('dir/walk', followlinks=True))
    list(os.fwalk('dir/fwalk'))
    glob.glob('dir/glob/*.txt')
    glob.glob('dir/pip/**', recursive=True)
    glob.glob('dir/nothing/*')
    list(pathlib.Path('dir/pglob').glob('**/*.txt'))
    list(pathlib.Path('dir').rglob('deep'))
    list(pathlib.Path('dir/iter').iterdir())
    shutil.copytree('dir/tree', 'dir/tree-copy', symlinks=True)
    shutil.copytree('dir/one', 'dir/one-copy')
    shutil.rmtree('dir/gone')
    shutil.rmtree('dir/not-there', ignore_errors=True)


def stats():
    """What things are."""
    import pathlib
    import shutil

    os.stat('stat/size')
    os.lstat('stat/link')
    os.stat('stat/through', follow_symlinks=False)
    attempt(os.stat, 'stat/broken')
    attempt(os.readlink, 'stat/broken')
    attempt(os.readlink, b'stat/through')
    os.access('stat/x', os.X_OK)
    os.access('stat/not', os.R_OK)
    os.access('stat/x', os.R_OK, effective_ids=True)
    os.statvfs('system')
    descriptor = os.open('stat', os.O_RDONLY)
    os.stat('below', dir_fd=descriptor)
    os.lstat('entry', dir_fd=descriptor)
    os.access('x', os.F_OK, dir_fd=descriptor)
    attempt(os.readlink, 'through', dir_fd=descriptor)
    attempt(os.stat, 'not-below', dir_fd=descriptor)
    os.chmod('mode', 0o600, dir_fd=descriptor)
    os.utime('time', dir_fd=descriptor)
    os.mkdir('made-below', dir_fd=descriptor)
    os.rename('old', 'new', src_dir_fd=descriptor, dst_dir_fd=descriptor)
    os.unlink('new', dir_fd=descriptor)
    os.rmdir('made-below', dir_fd=descriptor)
    os.symlink('anything', 'symlinked-below', dir_fd=descriptor)
    os.close(descriptor)
    for test in ('exists', 'isfile', 'isdir', 'islink', 'lexists', 'ismount', 'realpath', 'getmtime', 'getsize'):
        attempt(getattr(os.path, test), 'stat/asked-' + test)
        attempt(getattr(os.path, test), 'stat/through')
    os.path.samefile('stat/same', 'stat/size')
    path = pathlib.Path('stat')
    for test in ('exists', 'is_file', 'is_dir', 'is_symlink', 'is_mount', 'resolve', 'stat', 'lstat', 'owner', 'read_text'):
        attempt(getattr(path / ('path-' + test), test))
        attempt(getattr(path / 'through', test))
    shutil.which('tool', path='stat')
    shutil.which('no-tool', path='stat')
    shutil.disk_usage('used')
    attempt(os.getxattr, 'stat/attribute', 'user.nothing')
    attempt(os.listxattr, 'stat/attributes')
    os.pathconf('stat', 'PC_NAME_MAX')


def changes():
    """Writes."""
    import pathlib
    import tempfile

    os.makedirs('change/a/b')
    os.rename('change/a/b', 'change/a/c')
    os.replace('change/a/c', 'change/a/d')
    os.removedirs('change/a/d')
    os.symlink('stat/x', 'linked')
    with open('linked') as file:
        file.read()
    os.link('stat/hard', 'stat/hard-too')
    os.truncate('stat/truncated', 0)
    os.chmod('stat/mode', 0o644)
    os.chown('stat/mode', os.getuid(), os.getgid())
    os.lchown('stat/mode', os.getuid(), os.getgid())
    os.utime('stat/time', (1, 1))
    os.mkfifo('pipe')
    os.remove('pipe')
    attempt(os.rmdir, 'place')
    attempt(os.setxattr, 'stat/x', 'user.some', b'thing')
    attempt(os.removexattr, 'stat/x', 'user.some')
    pathlib.Path('touched').touch()
    pathlib.Path('touched').unlink()
    pathlib.Path('written').write_text('x')
    with tempfile.NamedTemporaryFile(dir='.') as file:
        file.write(b'x')
    with tempfile.TemporaryDirectory(dir='.') as directory:
        made(os.path.join(directory, 'in', 'file'))
    try:
        import sqlite3
    except ImportError:
        return
    database = sqlite3.connect('data.db')
    database.execute('create table a (b)')
    database.close()


def imports():
    """Modules."""
    import importlib
    import pkgutil
    import runpy

    sys.path.insert(0, os.path.join(ROOT, 'mod'))
    import single
    import pack.inner
    import namespace.part

    attempt(__import__, 'not_there')
    attempt(importlib.import_module, 'pack.not_there')
    importlib.util.find_spec('pack.sought')
    pkgutil.get_data('pack', 'data.txt')
    sys.path.insert(0, os.path.join(ROOT, 'archive.zip'))
    import zipped

    runpy.run_path('mod/ran.py')
    os.chdir('mod')
    importlib.reload(single)
    os.chdir(ROOT)
    return pack, namespace, zipped


def processes():
    """Others, and what they ask."""
    import multiprocessing
    import subprocess
    import threading

    asks = 'import os, sys; os.stat(sys.argv[1])'
    subprocess.call([sys.executable, '-c', asks, 'child/popen'], cwd='place', stderr=subprocess.DEVNULL)
    subprocess.call('exec "%s" -c "%s" child/shell 2> /dev/null' % (sys.executable, asks), shell=True)
    os.system('exec "%s" -c "%s" child/system 2> /dev/null' % (sys.executable, asks))
    subprocess.call([sys.executable, 'mod/ran.py'])
    pid = os.fork()
    if pid == 0:
        attempt(os.stat, 'child/forked')
        os._exit(0)
    os.waitpid(pid, 0)
    for method in ('fork', 'spawn'):
        context = multiprocessing.get_context(method)
        worker = context.Process(target=attempt, args=(os.stat, 'child/' + method))
        worker.start()
        worker.join()
    thread = threading.Thread(target=attempt, args=(os.stat, 'child/thread'))
    thread.start()
    thread.join()
    os.chdir('entered')
    os.chdir('../place')
    attempt(os.listdir, '.')
    attempt(os.stat, 'from-place')
    attempt(os.stat, '../place/here')
    os.chdir('..')


if __name__ == '__main__':
    if sys.argv[1:] == ['prepare']:
        prepare()
    else:
        for operations in (opens, listings, stats, changes, imports, processes):
            operations()
