revision = "a"
down_revision = None
<<<<<<< HEAD
x = 1
=======
x = 2
>>>>>>> b
