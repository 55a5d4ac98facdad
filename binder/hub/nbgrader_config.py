"""nbgrader's settings in each container of the hub: the folder ~/course is the assignment that is handed in and collected."""

c = get_config()  # noqa: F821 - nbgrader gives it

c.CourseDirectory.course_id = "balancing"
c.CourseDirectory.assignment_id = "course"
c.Exchange.root = "/srv/exchange"
c.Exchange.assignment_dir = "/home/jovyan"
